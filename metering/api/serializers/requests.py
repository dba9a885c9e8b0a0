"""Bodies that callers send to the metering API."""

from typing import Any
from uuid import UUID

from kernel.api.amounts import AmountText
from kernel.api.camel_case_dialect import envelope
from kernel.api.fields import Boolean, Choice, Currency, Identifier, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested, with_path_prefix
from kernel.api.problems import Invalid, Refused
from metering.api.serializers.base import MeteringBody
from metering.choices import AgentStatus, FactPhase, Outcome

ABSENT: dict[str, Any] = {"required": False, "allow_null": True}
CALL_ID = "Which of several model calls of the transaction it is about: reports with different ids add up."


def occurred_at() -> Timestamp:
    """When something happened, by the caller's clock."""
    return Timestamp(description="When it happened, if not now; by default at most 35 days ago and 5 minutes ahead.", **ABSENT)


def batch_key() -> Text:
    """The Idempotency-Key of one item of a batch."""
    return Text(is_key=True, min_length=1, max_length=255, pattern="^[ -~]+$", **ABSENT)


class IntegrationBody(MeteringBody):
    name = Text(max_length=255)
    version = Text(max_length=64)


class RequestFactsBody(MeteringBody):
    """What an integration knows of a request before it is made. The whole object is kept as its text, so further members aren't lost."""

    ignores_unknown = True

    source = Text(min_length=1, max_length=255)
    version = Text(min_length=1, max_length=64)
    sdk = JsonObject(**ABSENT)
    integration = Nested(IntegrationBody, **ABSENT)
    request = JsonObject()


class RequestFacts(JsonObject):
    """A JSON object that is kept as its text, with a schema of its own."""

    def schema(self) -> dict[str, Any]:
        text = {"type": "string", "minLength": 1}
        shape = envelope(source=text | {"maxLength": 255}, version=text | {"maxLength": 64}, request={"type": "object"})
        known = {"name": {"type": "string", "maxLength": 255}, "version": {"type": "string", "maxLength": 64}}
        shape["properties"] |= {
            "sdk": {"type": ["object", "null"]},
            "integration": {"type": ["object", "null"], "required": ["name", "version"], "properties": known},
        }
        return shape


class CostBody(MeteringBody):
    ignores_unknown = True

    fiat_amount = AmountText(example="0.05", description="At most 18 digits before the point and 18 after; a string, never a number.")
    fiat_asset_symbol = Currency(example="USD")
    is_estimate = Boolean()
    cost_details = JsonObject(**ABSENT)


class CostRequest(CostBody):
    """A cost of a transaction, in place of an earlier one where `supersedesCostId` is given."""

    supersedes_cost_id = Identifier(**ABSENT)
    occurred_at = occurred_at()


class ResponseFactsBody(MeteringBody):
    ignores_unknown = True

    source = Text(min_length=1, max_length=255)
    version = Text(min_length=1, max_length=64)
    integration = JsonObject(**ABSENT)
    call_id = Text(is_key=True, min_length=1, max_length=255, description=CALL_ID, **ABSENT)
    facts = JsonObject()


class TransactionRequest(MeteringBody):
    """A use of a service. At least `serviceName` or `requestFacts` is needed; names left out are derived from the request facts.

    With an `outcome` it is a call that is over, and is recorded as completed; `responseFacts` are what was reported of it."""

    ignores_unknown = True

    request_facts = RequestFacts(**ABSENT)
    service_name = Text(is_key=True, min_length=1, max_length=255, **ABSENT)
    action_name = Text(min_length=1, max_length=255, **ABSENT)
    resource_name = Text(min_length=1, max_length=2048, **ABSENT)
    qualifiers = JsonObject(**ABSENT)
    metadata = JsonObject(**ABSENT)
    payment_data = JsonObject(**ABSENT)
    trace_id = Identifier(description="An unknown one is a trace that begins here.", **ABSENT)
    trace_external_id = Text(is_key=True, min_length=1, max_length=255, **ABSENT)
    agent_id = Text(max_length=255, description="Wins over agentName where it is the id of an agent.", **ABSENT)
    agent_name = Text(is_key=True, min_length=1, max_length=255, **ABSENT)
    customer_id = Text(
        is_key=True, min_length=1, max_length=255, description="For which of your customers; where left out, the agent's.", **ABSENT
    )
    costs = ListOf(Nested(CostBody), max_items=100, **ABSENT)
    occurred_at = occurred_at()
    outcome = Choice(Outcome.values, description="Of a call that is over.", **ABSENT)
    response_facts = Nested(ResponseFactsBody, description="What was reported of a call that is over.", **ABSENT)

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["service_name"] is None and values["request_facts"] is None:
            raise Refused("missing", field="service_name")
        if values["response_facts"] is not None and values["outcome"] is None:
            raise Refused("without_outcome", field="response_facts")
        if values["request_facts"] is not None:
            cls._check_request_facts(values["request_facts"])
        if values["agent_id"] is not None:
            values["agent_id"] = cls._agent_id(values["agent_id"], agent_name=values["agent_name"])
        return values

    @classmethod
    def _check_request_facts(cls, text: str) -> None:
        try:
            RequestFactsBody.read(text.encode())
        except Invalid as invalid:
            raise Invalid(with_path_prefix("requestFacts", invalid)) from invalid

    @classmethod
    def _agent_id(cls, text: str, *, agent_name: str | None) -> UUID | None:
        """The id, or None for a text that can't be one, where there is a name to go by."""
        try:
            return Identifier().parse(text)
        except Refused:
            if agent_name is None:
                raise Refused("bad_uuid", field="agent_id") from None
            return None


class BatchItem(TransactionRequest):
    """A transaction of a batch, with a key of its own."""

    ignores_unknown = False

    idempotency_key = batch_key()


class CompleteRequest(MeteringBody):
    ignores_unknown = True

    outcome = Choice(Outcome.values)
    response_facts = Nested(ResponseFactsBody, **ABSENT)
    occurred_at = occurred_at()


class CompleteItem(CompleteRequest):
    """The completion of one transaction of a batch."""

    ignores_unknown = False

    transaction_id = Identifier()
    idempotency_key = batch_key()


class CostItem(CostRequest):
    """A cost of one transaction of a batch."""

    ignores_unknown = False

    transaction_id = Identifier()
    idempotency_key = batch_key()


class FactsRequest(MeteringBody):
    """What an integration found out about a transaction."""

    ignores_unknown = True

    source = Text(min_length=1, max_length=255)
    version = Text(min_length=1, max_length=64)
    fact_phase = Choice(FactPhase.values)
    call_id = Text(is_key=True, min_length=1, max_length=255, description=CALL_ID, **ABSENT)
    facts = JsonObject()
    occurred_at = occurred_at()


class FactsItem(FactsRequest):
    """Facts about one transaction of a batch."""

    ignores_unknown = False

    transaction_id = Identifier()
    idempotency_key = batch_key()


class CancelRequest(MeteringBody):
    may_be_empty = True

    reason = Text(max_length=1000, **ABSENT)


class AgentRequest(MeteringBody):
    """An agent; `agentName` of a transaction finds it by its name, which is its label unless given."""

    label = Text(is_key=True, min_length=1, max_length=255)
    name = Text(is_key=True, min_length=1, max_length=255, **ABSENT)
    description = Text(max_length=10_000, **ABSENT)
    status = Choice(AgentStatus.values, **ABSENT)
    customer_id = Text(is_key=True, min_length=1, max_length=255, description="For which of your customers it acts.", **ABSENT)


class AgentChange(MeteringBody):
    """What changes of an agent; what is absent stays. Its name is how transactions find it, and can't change."""

    is_partial = True

    label = Text(is_key=True, min_length=1, max_length=255, required=False)
    description = Text(max_length=10_000, **ABSENT)
    status = Choice(AgentStatus.values, required=False)
    customer_id = Text(is_key=True, min_length=1, max_length=255, description="Null: it acts for no one customer.", **ABSENT)
