"""The metering ledger: what was done, for whom, what it cost, and what integrations reported about it.

A transaction's cost begins as an estimate and ends as an actual cost; no row is edited. docs/ledger.md has the rules of all rows.
"""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import Exact, IsNull

from kernel.ledger.base_models import LedgerRow, TenantOwned, differs, one_of, tenant_foreign_key, tenant_of_account
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import ZERO, MoneyField, in_words, is_finite
from metering.choices import AgentStatus, FactPhase, Grain, Outcome, Pricing, ReportedCosts, Status

# The least and the largest limit of a policy for `occurredAt`.
TIME_LIMITS = (timedelta(0), timedelta(days=3650))


def _dated(field: str, status: Status) -> Q:
    """The date is set exactly while the transaction has the status; short for the same reason as one_of."""
    return Q(Exact(IsNull(F(field), rhs=False), Exact(F("status"), status.value)))


class Policy(TenantOwned):
    """How one tenant's transactions are decided and closed. A tenant without a row has the defaults."""

    # False: a new transaction waits as `pending` for a decision; True: it is authorized within the call that creates it.
    authorizes_at_once = models.BooleanField(default=True)
    # A transaction that has been `authorized` for longer is cancelled; null: never.
    stale_after = models.DurationField(null=True, blank=True)
    # What becomes of a cost that a provider's own reply states.
    reported_costs = models.CharField(max_length=16, choices=ReportedCosts, default="compare", db_default="compare")
    # True: models that the tenant runs itself (Ollama, vLLM and the like) cost what their makers ask for them.
    prices_self_hosted = models.BooleanField(default=False, db_default=False)
    # How far before and after the present an `occurredAt` of the API may lie.
    backdating_limit = models.DurationField(default=timedelta(days=35), db_default=timedelta(days=35))
    postdating_limit = models.DurationField(default=timedelta(minutes=5), db_default=timedelta(minutes=5))
    # True: the tenant has spending rules, or sums that one of them may need again. Set by the SQL function rules_apply_change alone.
    has_rules = models.BooleanField(default=False, db_default=False, editable=False)
    # True: a new transaction's estimated costs are held, and what it cost is captured when it is completed (metering/paying).
    holds_estimates = models.BooleanField(default=False, db_default=False)
    # Whose credits pay for transactions of no customer; null: the tenant's slug.
    payer_customer_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null: the default
    # True: a wallet without a floor pays however low its balance gets; False: down to zero.
    allows_overdraft = models.BooleanField(default=False, db_default=False)
    updated_at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=128)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="metering_policy_tenant_key"),
            models.CheckConstraint(
                condition=Q(stale_after__isnull=True) | Q(stale_after__gt=timedelta(0)), name="metering_policy_stale_after_check"
            ),
            models.CheckConstraint(condition=one_of("reported_costs", ReportedCosts.values), name="metering_policy_reported_costs_check"),
            models.CheckConstraint(
                condition=Q(backdating_limit__range=TIME_LIMITS, postdating_limit__range=TIME_LIMITS),
                name="metering_policy_time_limits_check",
            ),
        ]

    def __str__(self) -> str:
        return f"Policy of {self.tenant}"


class Service(TenantOwned):
    """What is called and costs money, by the name that callers use; inserted with its first transaction."""

    name = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="metering_service_name_key")]

    def __str__(self) -> str:
        return self.name


class Agent(TenantOwned):
    """A program that acts for the tenant, perhaps for one of its customers. Callers find it by `name`; `label` is for people."""

    label = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - null on the wire is not the empty text
    status = models.CharField(max_length=16, choices=AgentStatus, default=AgentStatus.ACTIVE)
    customer_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null on the wire is not the empty text
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="metering_agent_name_key"),
            models.CheckConstraint(condition=Q(status__in=AgentStatus.values), name="metering_agent_status_check"),
        ]

    def __str__(self) -> str:
        return self.name


class Trace(TenantOwned):
    """Transactions that belong together. `reference` is the UUID that callers use: theirs, or the row's own id.

    It is a column of its own because two tenants may use the same UUID, and `id` is unique over all tenants.
    """

    reference = models.UUIDField()
    external_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "reference"], name="metering_trace_reference_key"),
            models.UniqueConstraint(
                fields=["tenant", "external_id"], name="metering_trace_external_id_key", condition=Q(external_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.external_id or f"Trace …{str(self.reference)[-8:]}"


class Transaction(LedgerRow):
    """One use of a service, perhaps for a customer. What was sent never changes; `status` and its dates change by moves only."""

    tenant = tenant_of_account()
    service = tenant_foreign_key("metering.Service")
    action_name = models.CharField(max_length=255)
    resource_name = models.CharField(max_length=2048)
    agent = tenant_foreign_key("metering.Agent", null=True)
    trace = tenant_foreign_key("metering.Trace")
    status = models.CharField(max_length=16, choices=Status)
    outcome = models.CharField(max_length=16, choices=Outcome, null=True, blank=True)  # noqa: DJ001 - null until completed
    decline_reason = models.TextField(null=True, blank=True)  # noqa: DJ001 - null unless denied
    requires_payment = models.BooleanField(default=False)
    qualifiers = DocumentField()
    metadata = DocumentField(null=True)
    request_facts = DocumentField(null=True)
    payment_data = DocumentField(null=True)
    customer_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null on the wire is not the empty text
    # How often authorization was asked for.
    round = models.SmallIntegerField(default=1, db_default=1)
    updated_at = models.DateTimeField()
    preparing_at = models.DateTimeField(null=True, blank=True)
    authorized_at = models.DateTimeField(null=True, blank=True)
    denied_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                name="metering_transaction_idempotency_key_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(condition=one_of("status", Status.values), name="metering_transaction_status_check"),
            models.CheckConstraint(
                condition=_dated("completed_at", Status.COMPLETED)
                & Q(Exact(IsNull(F("outcome"), rhs=True), IsNull(F("completed_at"), rhs=True)))
                & one_of("outcome", Outcome.values),
                name="metering_transaction_completed_check",
            ),
            models.CheckConstraint(
                condition=_dated("denied_at", Status.DENIED) & Q(Q(decline_reason__isnull=True) | Q(denied_at__isnull=False)),
                name="metering_transaction_denied_check",
            ),
            models.CheckConstraint(condition=_dated("cancelled_at", Status.CANCELLED), name="metering_transaction_cancelled_check"),
            models.CheckConstraint(
                condition=Q(authorized_at__isnull=False) | ~one_of("status", [Status.AUTHORIZED, Status.COMPLETED]),
                name="metering_transaction_authorized_check",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="metering_transaction_time"),
            models.Index(fields=["tenant", "occurred_at", "id"], name="metering_transaction_occurred"),
            models.Index(fields=["tenant", "service", "created_at", "id"], name="metering_transaction_service"),
            models.Index(
                fields=["tenant", "agent", "created_at", "id"], name="metering_transaction_agent", condition=Q(agent__isnull=False)
            ),
            models.Index(fields=["tenant", "trace", "created_at", "id"], name="metering_transaction_trace"),
            models.Index(
                fields=["tenant", "customer_id", "created_at", "id"], name="metering_transaction_customer", condition=~Q(customer_id=None)
            ),
            models.Index(
                fields=["tenant", "status", "created_at", "id"], name="metering_transaction_open", condition=~Q(status="completed")
            ),
            # What one import run posted. Other requests aren't looked up, so their postings don't pay for an index.
            models.Index(
                fields=["tenant", "request_id", "id"], name="metering_transaction_run", condition=Q(request_id__startswith="run:")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action_name} {self.resource_name} …{str(self.id)[-8:]}"


class Fact(LedgerRow):
    """What an integration reported about a transaction, and whether it could be priced. Never edited."""

    tenant = tenant_of_account()
    transaction = tenant_foreign_key("metering.Transaction", related_name="fact_rows")
    source = models.CharField(max_length=255)
    version = models.CharField(max_length=64)
    phase = models.CharField(max_length=16, choices=FactPhase)
    facts = DocumentField()
    integration = DocumentField(null=True)
    # Which of several model calls of the transaction the report is about. Reports with different ids add up.
    call_id = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null on the wire is not the empty text
    pricing = models.CharField(max_length=32, choices=Pricing)
    # Which model is unknown, or which quantity is missing or was not understood.
    pricing_note = models.CharField(max_length=512, blank=True, default="")
    # {"read": [...], "ignored": [...]}: the counters that were priced, and those that were not understood. Null where nothing was priced.
    pricing_fields = DocumentField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"], name="metering_fact_idempotency_key_key", condition=Q(idempotency_key__isnull=False)
            ),
            models.CheckConstraint(condition=one_of("phase", FactPhase.values), name="metering_fact_phase_check"),
            models.CheckConstraint(condition=one_of("pricing", Pricing.values), name="metering_fact_pricing_check"),
        ]

    def __str__(self) -> str:
        return f"{self.get_phase_display()} of {self.source}"


class Cost(LedgerRow):
    """What a transaction cost, as known at one time. Better knowledge is a new row that supersedes this one.

    A transaction's cost is the sum of its active rows. `is_active`, `superseded_at` and `superseded_by` change once, together.
    """

    tenant = tenant_of_account()
    transaction = tenant_foreign_key("metering.Transaction", related_name="cost_rows")
    fiat_amount = MoneyField()
    # ISO 4217.
    fiat_asset_symbol = models.CharField(max_length=3)
    is_estimate = models.BooleanField()
    is_active = models.BooleanField(default=True)
    superseded_at = models.DateTimeField(null=True, blank=True)
    # The cost that took this one's place; it names one of those it replaced in `supersedes`.
    superseded_by = tenant_foreign_key("metering.Cost", null=True, related_name="superseded_costs")
    supersedes = tenant_foreign_key("metering.Cost", null=True)
    inferred_from = tenant_foreign_key("metering.Fact", null=True)
    cost_details = DocumentField(null=True)
    # The payment of a 402 that this row is what is held for, or what was taken: paying for the transaction's other costs leaves it out.
    payment_id = models.UUIDField(null=True, blank=True)
    # The run that re-priced the transaction with this row.
    repricing = models.UUIDField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            is_finite(table="metering_cost", field="fiat_amount"),
            models.CheckConstraint(condition=Q(fiat_amount__gte=ZERO), name="metering_cost_fiat_amount_check"),
            models.CheckConstraint(condition=Q(fiat_asset_symbol__regex=r"^[A-Z]{3}$"), name="metering_cost_fiat_asset_symbol_check"),
            models.CheckConstraint(
                condition=Q(Exact(F("is_active"), IsNull(F("superseded_at"), rhs=True)))
                & Q(Exact(F("is_active"), IsNull(F("superseded_by"), rhs=True))),
                name="metering_cost_is_active_check",
            ),
            models.CheckConstraint(condition=differs("supersedes", F("id")), name="metering_cost_supersedes_check"),
            models.UniqueConstraint(
                fields=["tenant", "supersedes"], name="metering_cost_supersedes_key", condition=Q(supersedes__isnull=False)
            ),
            models.UniqueConstraint(fields=["tenant", "transaction", "id"], name="metering_cost_transaction_key"),
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"], name="metering_cost_idempotency_key_key", condition=Q(idempotency_key__isnull=False)
            ),
        ]
        indexes = [
            models.Index(fields=["repricing"], name="metering_cost_repricing", condition=Q(repricing__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{'Estimate' if self.is_estimate else 'Cost'} of {in_words(self.fiat_amount, self.fiat_asset_symbol)}"


class StatusChange(LedgerRow):
    """One step of a transaction's status: who moved it, when, why and in which round. The first step has no `from_status`."""

    tenant = tenant_of_account()
    transaction = tenant_foreign_key("metering.Transaction", related_name="status_changes")
    from_status = models.CharField(max_length=16, choices=Status, null=True, blank=True)  # noqa: DJ001 - null for the first
    to_status = models.CharField(max_length=16, choices=Status)
    round = models.SmallIntegerField(default=1, db_default=1)
    reason = models.TextField(blank=True, default="")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                name="metering_statuschange_idempotency_key_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(condition=one_of("to_status", Status.values), name="metering_statuschange_to_status_check"),
            # In one round no status is entered twice, so no step can be recorded twice.
            models.UniqueConstraint(fields=["tenant", "transaction", "to_status", "round"], name="metering_statuschange_step_key"),
        ]

    def __str__(self) -> str:
        return f"{self.from_status or 'new'} to {self.to_status}"


class Rollup(TenantOwned):
    """Sums over one hour or day of world time, kept in the same transaction as the rows they sum.

    `shard` spreads one hot sum over several rows, so that calls don't wait for each other: add the shards up. A transaction is
    counted under one of its currencies (the empty one if it has no cost): add the currencies up as well. Amounts are per currency.
    """

    grain = models.CharField(max_length=4, choices=Grain)
    starts_at = models.DateTimeField()
    service = tenant_foreign_key("metering.Service")
    agent = tenant_foreign_key("metering.Agent", null=True)
    currency = models.CharField(max_length=3)
    shard = models.PositiveSmallIntegerField()
    transactions = models.BigIntegerField(default=0)
    succeeded = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    denied = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    # Active cost rows, their sum, and the part of it that is still an estimate.
    costs = models.BigIntegerField(default=0)
    # Wider than MoneyField: a sum that didn't fit would refuse the postings of everybody who adds to it.
    amount = models.DecimalField(default=0, max_digits=60, decimal_places=18)
    estimated = models.DecimalField(default=0, max_digits=60, decimal_places=18)

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "grain", "starts_at", "service", "agent", "currency", "shard"],
                name="metering_rollup_key",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=one_of("grain", Grain.values), name="metering_rollup_grain_check"),
        ]
        indexes = [models.Index(fields=["starts_at"], name="metering_rollup_time")]

    def __str__(self) -> str:
        return f"{self.get_grain_display()} from {self.starts_at:%Y-%m-%d %H:%M} UTC"
