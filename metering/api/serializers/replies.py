"""Replies about transactions and what belongs to them."""

from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Field, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.dialect import dialect
from metering.api.serializers.base import MeteringReply
from metering.api.serializers.payments import PayablePaymentReply, PaymentReply
from metering.choices import AgentStatus, FactPhase, Outcome, Pricing, Status

# Every currency is an asset with an id of its own, the same in every installation.
ASSETS = uuid5(NAMESPACE_URL, "urn:iso:std:iso:4217")


@cache
def asset_id(currency: str) -> str:
    return str(uuid5(ASSETS, currency))


class AssetId(Identifier):
    """A currency's asset id."""

    def plain(self, value: str) -> str:
        return asset_id(value)


class KeyId(Identifier):
    """The API key that an actor is; null where it was a person or a command."""

    def plain(self, value: str) -> str | None:
        kind, _, key = value.partition(":")
        return key if kind == "api_key" else None


class AgentReply(MeteringReply):
    id = Identifier()
    tenant_id = Identifier()
    label = Text()
    name = Text()
    description = Text(required=False)
    status = Choice(AgentStatus.values)
    customer_id = Text(required=False)
    created_at = Timestamp()
    updated_at = Timestamp()


class ServiceReply(MeteringReply):
    id = Identifier()
    name = Text()
    created_at = Timestamp()


class TraceReference(MeteringReply):
    id = Identifier()
    external_id = Text(required=False)


class CostReply(MeteringReply):
    id = Identifier()
    transaction_id = Identifier()
    tenant_id = Identifier()
    organization_id = Identifier(source="tenant_id")
    payment_transaction_id = Identifier(source="payment_id", required=False)
    fiat_amount = AmountText(full=True)
    fiat_asset_id = AssetId(source="fiat_asset_symbol")
    fiat_asset_symbol = Currency()
    is_estimate = Boolean()
    is_active = Boolean()
    supersedes_cost_id = Identifier(source="supersedes_id", required=False)
    superseded_at = Timestamp(required=False)
    inferred_from_fact_id = Identifier(source="inferred_from_id", required=False)
    cost_details = JsonObject(required=False)
    occurred_at = Timestamp()
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
    requires_payment = Boolean()
    qualifiers = JsonObject()
    metadata = JsonObject(required=False)
    occurred_at = Timestamp()
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
    payment = Nested(PaymentReply, required=False)
    trace = Nested(TraceReference)
    trace_id = Identifier()
    agent_id = Identifier(required=False)
    agent = Nested(AgentReply, required=False)
    customer_id = Text(required=False)
    api_key_id = KeyId(source="actor", required=False)
    costs = ListOf(Nested(CostReply))


class ReportedCostReply(MeteringReply):
    """The cost in dollars that the provider's own reply states, and where it stands in the facts."""

    path = Text()
    amount = AmountText(full=True)


class PricingReply(MeteringReply):
    """Whether facts became a cost. `read`: the counters that were priced; `ignored`: those that were not understood. With an ignored
    counter that isn't zero the status is `partly_read`, and the cost an estimate. `note`: which model or quantity was missing."""

    status = Choice(Pricing.values)
    note = Text(required=False)
    read = ListOf(Text())
    ignored = ListOf(Text())
    reported = Nested(ReportedCostReply, required=False, omitted=True)


class SupersededReply(MeteringReply):
    """A cost that a new one took the place of."""

    cost_id = Identifier(source="id")
    fiat_amount = AmountText(full=True)


class CreatedReply(TransactionReply):
    """A new transaction; of a call that is over also what was reported of it, and what that came to."""

    payment = Nested(PayablePaymentReply, required=False)
    fact_id = Identifier(required=False, omitted=True)
    cost_id = Identifier(required=False, omitted=True)
    pricing = Nested(PricingReply, required=False, omitted=True)
    superseded = ListOf(Nested(SupersededReply), required=False, omitted=True)


class CompletedReply(CreatedReply):
    """The completed transaction, flat and under `transaction`: two published forms in one."""

    payment = Nested(PaymentReply, required=False)
    transaction = Nested(TransactionReply)

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        flat = TransactionReply.plain(row["transaction"])
        added: dict[str, Any] = {
            name: str(value) for name, value in (("factId", row["fact_id"]), ("costId", row["cost_id"])) if value is not None
        }
        if row["pricing"]:
            added["pricing"] = PricingReply.plain(row["pricing"])
        if row["superseded"]:
            added["superseded"] = [SupersededReply.plain(cost) for cost in row["superseded"]]
        return flat | {"transaction": flat} | added


class Yes(Boolean):
    """Always true."""

    def plain(self, value: Any) -> bool:
        return True


class FactsReply(MeteringReply):
    omits_absent = True

    success = Yes(source="fact_id")
    fact_id = Identifier()
    cost_id = Identifier(required=False)
    pricing = Nested(PricingReply, required=False)
    superseded = ListOf(Nested(SupersededReply), required=False)
    occurred_at = Timestamp(source="reported_at")


class FactReply(MeteringReply):
    id = Identifier()
    source = Text()
    version = Text()
    fact_phase = Choice(FactPhase.values, source="phase")
    facts = JsonObject()
    integration = JsonObject(required=False)
    pricing = Text()
    pricing_note = Text(required=False)
    call_id = Text(required=False)
    occurred_at = Timestamp()
    created_at = Timestamp()


class FactListReply(MeteringReply):
    facts = ListOf(Nested(FactReply))


class StepReply(MeteringReply):
    """One step of a transaction's status."""

    from_status = Choice(Status.values, required=False)
    to_status = Choice(Status.values)
    reason = Text(required=False)
    actor = Text()
    occurred_at = Timestamp()
    created_at = Timestamp()


class HistoryReply(MeteringReply):
    history = ListOf(Nested(StepReply))


class ErrorBody(Field):
    """An error in the dialect's words, put together already."""

    def schema(self) -> dict[str, Any]:
        return dialect.error_schema(400)[1]


class BatchOutcome(MeteringReply):
    """What became of one item: `status` is what it would have been answered with alone."""

    omits_absent = True

    index = Integer(min_value=0)
    status = Integer(min_value=0)
    replayed = Boolean(required=False)
    id = Identifier(required=False, description="The transaction's.")
    transaction_status = Choice(Status.values, required=False)
    transaction = Nested(TransactionReply, required=False)
    cost = Nested(CostReply, required=False)
    fact_id = Identifier(required=False)
    cost_id = Identifier(required=False)
    pricing = Nested(PricingReply, required=False)
    superseded = ListOf(Nested(SupersededReply), required=False)
    occurred_at = Timestamp(required=False, description="Of the facts.")
    error = ErrorBody(required=False)


class AdditionReply(MeteringReply):
    """What one item of a batch wrote beside its transaction, and what came of it."""

    omits_absent = True

    fact_id = Identifier(required=False)
    cost_id = Identifier(required=False)
    pricing = Nested(PricingReply, required=False)
    superseded = ListOf(Nested(SupersededReply), required=False)
    cost = Nested(CostReply, required=False)
    occurred_at = Timestamp(source="reported_at", required=False)


class BatchCounts(MeteringReply):
    posted = Integer(min_value=0)
    replayed = Integer(min_value=0)
    refused = Integer(min_value=0)


class BatchReply(MeteringReply):
    data = ListOf(Nested(BatchOutcome))
    meta = Nested(BatchCounts)
