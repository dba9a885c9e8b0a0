"""What the decisions read and write: what is measured, the sums, the rounds of authorization and the denials."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.ledger.base_models import LedgerRow, TenantOwned, tenant_foreign_key, tenant_of_account
from kernel.ledger.identifiers import code_in_words
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import MoneyField, in_words, is_finite
from metering.rules.choices import IntervalUnit, Measurement, RequestStatus, Scope

# What people call what is measured over time.
MEASURED = {
    Measurement.COUNT_TRANSACTIONS.value: "Calls",
    Measurement.SUM_PAYMENT_AMOUNT.value: "Payments",
    Measurement.SUM_TRANSACTION_COSTS.value: "Costs of calls",
}


class RuleMeasure(TenantOwned):
    """What limits measure: a measurement, its window, its groups. Limits that measure the same share one, so a new limit keeps its sums.

    `conditions` (as the SQL function rules_matches reads them) and `agent_ids` say which transactions are summed; both are empty with
    scope `all`. A measure that no active rule needs is counted until `retire_at`, then its sums are dropped (`is_counting` false).
    """

    key_digest = models.BinaryField()
    measurement_type = models.CharField(max_length=32, choices=Measurement)
    interval_value = models.PositiveIntegerField()
    interval_unit = models.CharField(max_length=16, choices=IntervalUnit)
    is_rolling = models.BooleanField()
    time_zone = models.CharField(max_length=64)
    currency = models.CharField(max_length=3)
    group_by = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    scope = models.CharField(max_length=8, choices=Scope)
    include_estimates = models.BooleanField()
    conditions = DocumentField()
    agent_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    is_counting = models.BooleanField(default=True)
    # True while a job still adds the transactions from before the measure.
    is_seeding = models.BooleanField(default=False)
    # The job goes back in time: what was recorded from here on has been added.
    seeded_down_to = models.DateTimeField(null=True, blank=True)
    retire_at = models.DateTimeField(null=True, blank=True)
    # How many counters it has.
    groups = models.IntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "key_digest"], name="rules_rulemeasure_key")]

    def unit_of(self, amount: Decimal) -> str:
        """The unit of an amount that it sums: a currency, or calls."""
        if self.measurement_type != Measurement.COUNT_TRANSACTIONS:
            return self.currency
        return "call" if amount == 1 else "calls"

    def __str__(self) -> str:
        unit = self.interval_unit.removesuffix("s") if self.interval_value == 1 else self.interval_unit
        return f"{MEASURED.get(self.measurement_type, code_in_words(self.measurement_type))} in {self.interval_value} {unit}"


class RuleCounter(TenantOwned):
    """The sum of one measure for one group. Entries at or before `tail_at` have left the window; `used` sums the others.

    `last_at` is the moment of its last decision: a decision is never dated before it, even if the clock steps back.
    """

    # The service may delete its rows (config/database_roles.py).
    is_derived = True

    measure = tenant_foreign_key("rules.RuleMeasure")
    # A JSON array of the group's values, in the order of the measure's group_by; null for a value that the transaction lacks.
    group_key = models.TextField()
    group_digest = models.BinaryField()
    # Wider than MoneyField: a sum that didn't fit would refuse the postings of everybody who adds to it.
    used = models.DecimalField(max_digits=60, decimal_places=18, default=0)
    tail_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "measure", "group_digest"], name="rules_rulecounter_group_key")]

    def __str__(self) -> str:
        return "all calls" if self.group_key == "[]" else self.group_key


class RuleCounterEntry(TenantOwned):
    """What one transaction adds to a counter, dated when it was let through. Its amount follows the transaction's costs."""

    is_derived = True

    counter = tenant_foreign_key("rules.RuleCounter")
    transaction = tenant_foreign_key("metering.Transaction")
    at = models.DateTimeField()
    amount = models.DecimalField(max_digits=60, decimal_places=18)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "transaction", "counter"], name="rules_rulecounterentry_key")]
        indexes = [models.Index(fields=["tenant", "counter", "at", "id"], name="rules_rulecounterentry_time")]

    def __str__(self) -> str:
        return f"{in_words(self.amount, self.counter.measure.unit_of(self.amount))} counted"


class AuthorizationRequest(LedgerRow):
    """One round in which a transaction asked for authorization, and what the rules said. Round 1 of a tenant without rules has no row.

    `executions`: a JSON array with one object for each rule that applied (metering/rules/selectors/executions.py reads it). `payment`: the
    payment option that a further round asks for; its amount counts as long as the transaction isn't over.
    """

    tenant = tenant_of_account()
    transaction = tenant_foreign_key("metering.Transaction", related_name="authorization_requests")
    round = models.SmallIntegerField()
    status = models.CharField(max_length=16, choices=RequestStatus)
    decline_reason = models.TextField(null=True, blank=True)  # noqa: DJ001 - null unless denied
    executions = DocumentField()
    rule_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    # The soonest moment at which the same call would pass, if nothing else is spent; null where it passes, never does, or isn't known.
    passes_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()
    payment = DocumentField(null=True)
    payment_amount = MoneyField(null=True, blank=True)
    payment_currency = models.CharField(max_length=3, null=True, blank=True)  # noqa: DJ001 - null without a payment
    # The digest of the payment challenge, by which a repeated one is recognised.
    challenge_digest = models.BinaryField(null=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "transaction", "round"], name="rules_authorizationrequest_round_key"),
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                name="rules_authorizationrequest_idempotency_key_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            is_finite(table="rules_authorizationrequest", field="payment_amount"),
            models.CheckConstraint(condition=Q(status__in=RequestStatus.values), name="rules_authorizationrequest_status_check"),
        ]
        indexes = [
            GinIndex(fields=["rule_ids"], name="rules_request_rules"),
            models.Index(fields=["tenant", "created_at", "id"], name="rules_request_time"),
            models.Index(fields=["tenant", "created_at", "id"], name="rules_request_waiting", condition=Q(status="preparing")),
        ]

    def __str__(self) -> str:
        return f"Round {self.round} of call …{str(self.transaction_id)[-8:]}"


class RuleExecution(TenantOwned):
    """One denial by one rule. Never edited."""

    tenant = tenant_of_account()
    rule = tenant_foreign_key("rules.SpendingRule", related_name="execution_rows")
    rule_version = models.PositiveIntegerField()
    transaction = tenant_foreign_key("metering.Transaction")
    request = tenant_foreign_key("rules.AuthorizationRequest")
    reason = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["tenant", "rule", "created_at", "id"], name="rules_ruleexecution_time")]

    def __str__(self) -> str:
        return self.reason
