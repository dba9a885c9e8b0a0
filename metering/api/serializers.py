"""What callers send to the metering API and what they read."""

from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from kernel.wire.amounts import AmountText
from kernel.wire.fields import Choice, Currency, Field, Flag, Identifier, JsonObject, Text, Timestamp, Whole
from kernel.wire.nested import ListOf, Nested, below
from kernel.wire.problems import Invalid, Refused
from kernel.wire.serializers import Body, Reply
from metering.api.dialect import dialect, envelope
from metering.choices import AgentStatus, FactPhase, Outcome, Status

ABSENT: dict[str, Any] = {"required": False, "allow_null": True}
# Every currency is an asset with an id of its own, the same in every installation.
ASSETS = uuid5(NAMESPACE_URL, "urn:iso:std:iso:4217")


class MeteringBody(Body):
    dialect = dialect


class MeteringReply(Reply):
    dialect = dialect


class AssetId(Identifier):
    """The id that stands for a currency code."""

    def plain(self, value: str) -> str:
        return str(uuid5(ASSETS, value))


class KeyId(Identifier):
    """The API key that an actor is; null where it was a person or a command."""

    def plain(self, value: str) -> str | None:
        kind, _, key = value.partition(":")
        return key if kind == "api_key" else None


class IntegrationBody(MeteringBody):
    name = Text(max_length=255)
    version = Text(max_length=64)


class RequestFactsBody(MeteringBody):
    """What an integration knows of a request before it is made."""

    source = Text(min_length=1, max_length=255)
    version = Text(min_length=1, max_length=64)
    sdk = JsonObject(**ABSENT)
    integration = Nested(IntegrationBody, **ABSENT)
    request = JsonObject()


class RequestFacts(JsonObject):
    """Kept as its text, yet with a shape of its own."""

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
    fiat_amount = AmountText(example="0.05", description="At most 18 digits before the point and 18 after; a string, never a number.")
    fiat_asset_symbol = Currency(example="USD")
    is_estimate = Flag()
    cost_details = JsonObject(**ABSENT)


class CostRequest(CostBody):
    """A cost of a transaction, in place of an earlier one where `supersedesCostId` is given."""

    supersedes_cost_id = Identifier(**ABSENT)


class TransactionRequest(MeteringBody):
    """A use of a service. At least `serviceName` or `requestFacts` is needed; names left out are derived from the request facts."""

    request_facts = RequestFacts(**ABSENT)
    service_name = Text(min_length=1, max_length=255, **ABSENT)
    action_name = Text(min_length=1, max_length=255, **ABSENT)
    resource_name = Text(min_length=1, max_length=2048, **ABSENT)
    qualifiers = JsonObject(**ABSENT)
    metadata = JsonObject(**ABSENT)
    payment_data = JsonObject(**ABSENT)
    trace_id = Identifier(description="An unknown one is a trace that begins here.", **ABSENT)
    trace_external_id = Text(min_length=1, max_length=255, **ABSENT)
    agent_id = Text(max_length=255, description="Wins over agentName where it is the id of an agent.", **ABSENT)
    agent_name = Text(min_length=1, max_length=255, **ABSENT)
    costs = ListOf(Nested(CostBody), max_items=100, **ABSENT)

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values["service_name"] is None and values["request_facts"] is None:
            raise Refused("missing", field="service_name")
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
            raise Invalid(below("requestFacts", invalid)) from invalid

    @classmethod
    def _agent_id(cls, text: str, *, agent_name: str | None) -> UUID | None:
        """The id, or None for a word that can be no id, if there is a name to go by."""
        try:
            return Identifier().parse(text)
        except Refused:
            if agent_name is None:
                raise Refused("bad_uuid", field="agent_id") from None
            return None


class BatchItem(TransactionRequest):
    """A transaction of a batch, with a key of its own."""

    idempotency_key = Text(min_length=1, max_length=255, pattern="^[ -~]+$", **ABSENT)


class ResponseFactsBody(MeteringBody):
    source = Text(min_length=1, max_length=255)
    version = Text(min_length=1, max_length=64)
    integration = JsonObject(**ABSENT)
    facts = JsonObject()


class CompleteRequest(MeteringBody):
    outcome = Choice(Outcome.values)
    response_facts = Nested(ResponseFactsBody, **ABSENT)


class FactsRequest(MeteringBody):
    """What an integration found out about a transaction."""

    source = Text(min_length=1, max_length=255)
    version = Text(min_length=1, max_length=64)
    fact_phase = Choice(FactPhase.values)
    facts = JsonObject()


class CancelRequest(MeteringBody):
    may_be_empty = True

    reason = Text(max_length=1000, **ABSENT)


class AgentRequest(MeteringBody):
    """An agent; `agentName` of a transaction finds it by its name, which is its label unless given."""

    label = Text(min_length=1, max_length=255)
    name = Text(min_length=1, max_length=255, **ABSENT)
    description = Text(max_length=10_000, **ABSENT)
    status = Choice(AgentStatus.values, **ABSENT)


class AgentReply(MeteringReply):
    id = Identifier()
    tenant_id = Identifier()
    label = Text()
    name = Text()
    description = Text(required=False)
    status = Choice(AgentStatus.values)
    created_at = Timestamp()
    updated_at = Timestamp()


class TraceReference(MeteringReply):
    id = Identifier()
    external_id = Text(required=False)


class CostReply(MeteringReply):
    id = Identifier()
    transaction_id = Identifier()
    tenant_id = Identifier()
    organization_id = Identifier(source="tenant_id")
    payment_transaction_id = Identifier(required=False)
    fiat_amount = AmountText(full=True)
    fiat_asset_id = AssetId(source="fiat_asset_symbol")
    fiat_asset_symbol = Currency()
    is_estimate = Flag()
    is_active = Flag()
    supersedes_cost_id = Identifier(source="supersedes_id", required=False)
    superseded_at = Timestamp(required=False)
    inferred_from_fact_id = Identifier(source="inferred_from_id", required=False)
    cost_details = JsonObject(required=False)
    created_at = Timestamp()
    updated_at = Timestamp()


class CostsReply(MeteringReply):
    """Every cost of a transaction, superseded ones too."""

    costs = ListOf(Nested(CostReply))
    total_active_cost_usd = AmountText(full=True)


class TransactionReply(MeteringReply):
    id = Identifier()
    tenant_id = Identifier()
    organization_id = Identifier(source="tenant_id")
    service_name = Text()
    action_name = Text()
    resource_name = Text()
    service_id = Identifier()
    service = Text(source="service_name")
    status = Choice(Status.values)
    requires_payment = Flag()
    qualifiers = JsonObject()
    metadata = JsonObject(required=False)
    created_at = Timestamp()
    updated_at = Timestamp()
    preparing_at = Timestamp(required=False)
    authorized_at = Timestamp(required=False)
    denied_at = Timestamp(required=False)
    cancelled_at = Timestamp(required=False)
    completed_at = Timestamp(required=False)
    outcome = Choice(Outcome.values, required=False)
    decline_reason = Text(required=False)
    current_payment_transaction_id = Identifier(required=False)
    payment = JsonObject(required=False)
    trace = Nested(TraceReference)
    trace_id = Identifier()
    agent_id = Identifier(required=False)
    agent = Nested(AgentReply, required=False)
    api_key_id = KeyId(source="actor", required=False)
    costs = ListOf(Nested(CostReply))


class PricingReply(MeteringReply):
    """Whether facts became a cost: `priced`, `not_asked`, `already_known`, `unknown_model` or `missing_quantity`;
    the last two with which one."""

    status = Text()
    note = Text(required=False)


class CompletedReply(TransactionReply):
    """The completed transaction, flat and under `transaction`: two published forms in one."""

    transaction = Nested(TransactionReply)
    fact_id = Identifier(required=False, omitted=True)
    cost_id = Identifier(required=False, omitted=True)
    pricing = Nested(PricingReply, required=False, omitted=True)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        flat = TransactionReply.plain(row.row)
        ids = {"factId": row.fact_id, "costId": row.cost_id}
        pricing = {"pricing": PricingReply.plain(row.pricing)} if row.pricing else {}
        return flat | {"transaction": flat} | {name: str(value) for name, value in ids.items() if value is not None} | pricing


class Yes(Flag):
    """True of every row there is."""

    def plain(self, value: Any) -> bool:
        return True


class FactsReply(MeteringReply):
    omits_absent = True

    success = Yes(source="fact_id")
    fact_id = Identifier()
    cost_id = Identifier(required=False)
    pricing = Nested(PricingReply, required=False)


class FactReply(MeteringReply):
    id = Identifier()
    source = Text()
    version = Text()
    fact_phase = Choice(FactPhase.values, source="phase")
    facts = JsonObject()
    integration = JsonObject(required=False)
    pricing = Text()
    pricing_note = Text(required=False)
    created_at = Timestamp()


class FactListReply(MeteringReply):
    facts = ListOf(Nested(FactReply))


class StepReply(MeteringReply):
    """One step of a transaction's life."""

    from_status = Choice(Status.values, required=False)
    to_status = Choice(Status.values)
    reason = Text(required=False)
    actor = Text()
    created_at = Timestamp()


class HistoryReply(MeteringReply):
    history = ListOf(Nested(StepReply))


class SpendReply(MeteringReply):
    """What was spent in one currency: all active costs, and of them what is estimated and what is actual."""

    fiat_asset_symbol = Currency(source="currency")
    costs = Whole(min_value=0)
    total = AmountText(full=True, source="amount")
    estimated = AmountText(full=True)
    actual = AmountText(full=True)


class CountsReply(MeteringReply):
    transactions = Whole(min_value=0)
    succeeded = Whole(min_value=0)
    failed = Whole(min_value=0)
    denied = Whole(min_value=0)
    cancelled = Whole(min_value=0)


class SpanReply(MeteringReply):
    from_date = Timestamp(source="since", required=False)
    to_date = Timestamp(source="until")
    interval = Text(source="grain", required=False)


class SumReply(CountsReply):
    spend = ListOf(Nested(SpendReply), source="costs")


class SummaryReply(MeteringReply):
    data = Nested(SumReply)
    meta = Nested(SpanReply)


class PointReply(SumReply):
    starts_at = Timestamp()


class ChartReply(MeteringReply):
    data = ListOf(Nested(PointReply))
    meta = Nested(SpanReply)


class LeaderReply(CountsReply):
    """An agent (none, for what no agent did) or a service."""

    id = Identifier(required=False)
    name = Text(required=False)
    total = AmountText(full=True, source="amount")
    estimated = AmountText(full=True)


class LeaderboardsReply(MeteringReply):
    fiat_asset_symbol = Currency(source="currency")
    agents = ListOf(Nested(LeaderReply))
    services = ListOf(Nested(LeaderReply))
    meta = Nested(SpanReply)


class TraceReply(MeteringReply):
    """A trace with its first transactions; `filter[trace]` of the list gives them all."""

    id = Identifier(source="reference")
    external_id = Text(required=False)
    created_at = Timestamp()
    transaction_count = Whole(min_value=0)
    total_active_cost_usd = AmountText(full=True)
    spend = ListOf(Nested(SpendReply))
    transactions = ListOf(Nested(TransactionReply))


class ErrorBody(Field):
    """An error in the dialect's words, put together already."""

    def schema(self) -> dict[str, Any]:
        return dialect.error_schema(400)[1]


class BatchOutcome(MeteringReply):
    """What became of one item: `status` is what it would have been answered with alone."""

    omits_absent = True

    index = Whole(min_value=0)
    status = Whole(min_value=0)
    replayed = Flag(required=False)
    transaction = Nested(TransactionReply, required=False)
    error = ErrorBody(required=False)


class BatchCounts(MeteringReply):
    posted = Whole(min_value=0)
    replayed = Whole(min_value=0)
    refused = Whole(min_value=0)


class BatchReply(MeteringReply):
    data = ListOf(Nested(BatchOutcome))
    meta = Nested(BatchCounts)
