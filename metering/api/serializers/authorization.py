"""The rounds in which a transaction asked for authorization, what the rules said in them, and the body that asks for another round."""

import json
from collections.abc import Mapping
from typing import Any, cast

from kernel.api.amounts import AmountNumber
from kernel.api.camel_case_dialect import envelope
from kernel.api.fields import Choice, Currency, Field, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested, with_path_prefix
from kernel.api.problems import Invalid
from metering.api.serializers.base import MeteringBody, MeteringReply
from metering.api.serializers.payments import PayablePaymentReply
from metering.api.serializers.replies import TransactionReply
from metering.rules.choices import Measurement, RequestStatus, RuleType
from metering.services import ChallengeFacts

ABSENT: dict[str, Any] = {"required": False, "allow_null": True}
MAX_OPTIONS = 20


class Group(Field):
    """A group's values by what groups them: `{"agent": "..."}`."""

    def plain(self, value: Mapping[str, Any]) -> Any:
        return dict(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


class LimitReply(MeteringReply):
    """A limit that was compared. `currentValue`: what the window would have held with this transaction; null where its cost isn't known.
    `resetsAt`: when the window is empty if nothing more is spent; `passesAt`: when the same call would pass."""

    parameter_name = Text(required=False)
    measurement_type = Choice(Measurement.values)
    currency = Currency(required=False)
    group = Group(required=False)
    limit_value = AmountNumber()
    used = AmountNumber()
    current_value = AmountNumber(required=False)
    remaining = AmountNumber()
    window_start = Timestamp(required=False)
    window_end = Timestamp(required=False)
    resets_at = Timestamp(required=False)
    passes_at = Timestamp(required=False)


class RuleReference(MeteringReply):
    id = Identifier(source="rule_id")
    numeric_id = Integer(min_value=1)
    name = Text(source="rule_name")


class ExecutionInputReply(MeteringReply):
    tenant_id = Identifier()
    action_name = Text()
    service_name = Text()
    resource_name = Text()
    transaction_id = Identifier()
    transaction_authorization_request_id = Identifier(source="authorization_request_id")


class OverrideReply(MeteringReply):
    """Who overruled the rule, and why."""

    by = Text()
    reason = Text(required=False)


class ExecutionMetadataReply(MeteringReply):
    rule_type = Choice(RuleType.values)
    rule_version = Integer(min_value=1)
    parameters_checked = Integer(min_value=0)
    network_id = Text(required=False, omitted=True)
    payment_transaction_id = Identifier(required=False, omitted=True)
    violations = ListOf(Nested(LimitReply))
    override = Nested(OverrideReply, required=False)


class ExecutionOutputReply(MeteringReply):
    decision = Choice(("ALLOWED", "DENIED"))
    reason = Text()
    metadata = Nested(ExecutionMetadataReply)


class NoRetries(Integer):
    """Always 0: a rule decides once."""

    def plain(self, value: Any) -> int:
        return 0


class ExecutionStatus(Field):
    """`denied` where the rule denied, else `completed`."""

    def plain(self, value: str) -> str:
        return "denied" if value == "DENIED" else "completed"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": ["completed", "denied"]}


class RuleExecutionReply(MeteringReply):
    """One rule's part in a decision."""

    id = Identifier()
    rule_id = Identifier()
    rule = Nested(RuleReference)
    transaction_id = Identifier()
    transaction_authorization_request_id = Identifier(source="authorization_request_id")
    tenant_id = Identifier()
    status = ExecutionStatus(source="decision")
    input_data = Nested(ExecutionInputReply)
    output_data = Nested(ExecutionOutputReply)
    error_message = Text(required=False)
    error_details = Text(required=False)
    started_at = Timestamp(source="created_at")
    completed_at = Timestamp()
    execution_time_ms = Integer(min_value=0)
    retry_count = NoRetries(source="execution_time_ms", min_value=0)
    parent_execution_id = Identifier(required=False)
    created_at = Timestamp()
    updated_at = Timestamp(source="completed_at")

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        whole: dict[str, Any] = super().plain({**row, "rule": row, "input_data": row, "output_data": {**row, "metadata": row}})
        return whole


class AuthorizationRequestReply(MeteringReply):
    """One round. `passesAt` (of a denial): the soonest moment at which the same call would pass."""

    id = Identifier()
    tenant_id = Identifier()
    transaction_id = Identifier()
    round = Integer(min_value=1)
    status = Choice(RequestStatus.values)
    created_at = Timestamp()
    updated_at = Timestamp()
    processing_at = Timestamp()
    completed_at = Timestamp(required=False)
    authorized_at = Timestamp(required=False)
    denied_at = Timestamp(required=False)
    decline_reason = Text(required=False)
    passes_at = Timestamp(required=False)
    rule_executions = ListOf(Nested(RuleExecutionReply))


class ReauthorizedReply(TransactionReply):
    """A transaction with the payment that its resource asked for; `payment.authorizationPayload` goes to the resource."""

    payment = Nested(PayablePaymentReply, required=False)


class SingleTransactionReply(ReauthorizedReply):
    """A transaction with the documents that it was recorded with, and the rounds in which it asked for authorization, newest first."""

    request_facts = JsonObject(required=False, omitted=True)
    payment_data = JsonObject(required=False, omitted=True)
    authorization_requests = ListOf(Nested(AuthorizationRequestReply))


class ChallengeBody(MeteringBody):
    """What is checked of a challenge before its options are; the whole object is kept as its text."""

    ignores_unknown = True

    x402_version = Integer(min_value=1, max_value=2, wire_name="x402Version")
    accepts = ListOf(JsonObject(), min_items=1, max_items=MAX_OPTIONS)


class Challenge(JsonObject):
    """A payment challenge of the x402 protocol, version 1 or 2, as the resource sent it."""

    def schema(self) -> dict[str, Any]:
        options = {"type": "array", "minItems": 1, "maxItems": MAX_OPTIONS, "items": {"type": "object"}}
        return envelope(x402Version={"type": "integer", "enum": [1, 2]}, accepts=options)


class ReauthorizeRequest(MeteringBody):
    """The challenge with which a resource answered 402."""

    ignores_unknown = True

    x402 = Challenge()
    metadata = JsonObject(**ABSENT)
    additional_protocols = JsonObject(**ABSENT)

    @classmethod
    def within_create(cls, body: Mapping[str, Any]) -> ChallengeFacts | None:
        """The values of a create's `paymentData` where that is such a body, of a call that isn't over; else None: it is kept as it is.
        Raises Invalid."""
        text = body["payment_data"]
        if text is None or body["outcome"] is not None or not isinstance(json.loads(text).get("x402"), dict):
            return None
        try:
            return cast(ChallengeFacts, cls.read(text.encode()))
        except Invalid as invalid:
            raise Invalid(with_path_prefix("paymentData", invalid)) from invalid

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            ChallengeBody.read(values["x402"].encode())
        except Invalid as invalid:
            raise Invalid(with_path_prefix("x402", invalid)) from invalid
        return values
