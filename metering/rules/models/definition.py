"""Spending rules: what a tenant's agents may spend, call or pay for, and every version that a rule ever had.

A rule's parameters, conditions and agents are rows of their own. One that a change replaces keeps its row and gets `removed_at`: decisions
refer to it.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.ledger.base_models import LedgerRow, TenantOwned, tenant_foreign_key, tenant_of_account
from kernel.ledger.identifiers import code_in_words
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import MoneyField, is_finite
from metering.rules.choices import (
    ConditionGroup,
    FieldType,
    IntervalUnit,
    Measurement,
    Operator,
    ResolutionStrategy,
    RuleChange,
    RuleStatus,
    RuleType,
    Scope,
)

CURRENT = Q(removed_at__isnull=True)


class SpendingRule(TenantOwned):
    """A rule. `version` is raised by every change, and a change names the version it was made from."""

    # 1, 2, 3 within the tenant; people see RL-001.
    numeric_id = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    rule_type = models.CharField(max_length=32, choices=RuleType)
    resolution_strategy = models.CharField(max_length=16, choices=ResolutionStrategy, default=ResolutionStrategy.AUTOMATIC)
    status = models.CharField(max_length=16, choices=RuleStatus, default=RuleStatus.ACTIVE)
    version = models.PositiveIntegerField(default=1)
    metadata = DocumentField(null=True)
    # Parts of the limit, 0.8 for 80 %, at which an event is sent.
    notify_at = ArrayField(models.DecimalField(max_digits=12, decimal_places=6), null=True, blank=True)
    # True while the history from before the rule is still being counted.
    is_seeding = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    # When it stopped being active; null while it is active.
    paused_at = models.DateTimeField(null=True, blank=True)
    # When it was archived; null while it isn't.
    deleted_at = models.DateTimeField(null=True, blank=True)
    # Who made the newest version.
    actor = models.CharField(max_length=128)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "numeric_id"], name="rules_spendingrule_numeric_id_key"),
            models.CheckConstraint(condition=~Q(name=""), name="rules_spendingrule_name_check"),
            models.CheckConstraint(condition=Q(rule_type__in=RuleType.values), name="rules_spendingrule_rule_type_check"),
            models.CheckConstraint(
                condition=Q(resolution_strategy__in=ResolutionStrategy.values), name="rules_spendingrule_resolution_strategy_check"
            ),
            models.CheckConstraint(
                condition=Q(status=RuleStatus.ACTIVE, paused_at__isnull=True, deleted_at__isnull=True)
                | Q(status=RuleStatus.PAUSED, paused_at__isnull=False, deleted_at__isnull=True)
                | Q(status=RuleStatus.ARCHIVED, paused_at__isnull=False, deleted_at__isnull=False),
                name="rules_spendingrule_status_check",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.formatted_id} {self.name}"

    @property
    def formatted_id(self) -> str:
        """`RL-001`."""
        return f"RL-{self.numeric_id:03}"


class RuleParameter(TenantOwned):
    """One limit of a rule. `limit_value` is an amount in `currency`, or for count_transactions a number of transactions."""

    rule = tenant_foreign_key("rules.SpendingRule", related_name="parameter_rows")
    parameter_name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null on the wire is not the empty text
    limit_value = MoneyField()
    measurement_type = models.CharField(max_length=32, choices=Measurement)
    # The window; null for the measurements of one transaction.
    interval_value = models.PositiveIntegerField(null=True, blank=True)
    interval_unit = models.CharField(max_length=16, choices=IntervalUnit, null=True, blank=True)  # noqa: DJ001 - null on the wire
    # True: the window ends now and moves with the time. False: calendar windows in `time_zone`.
    is_rolling = models.BooleanField(default=True)
    # Each group has the limit for itself. Empty: one limit for all.
    group_by = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    measurement_scope = models.CharField(max_length=8, choices=Scope, default=Scope.ALL)
    include_estimates = models.BooleanField(default=True)
    # ISO 4217. Costs and payments in other currencies aren't counted.
    currency = models.CharField(max_length=3)
    # IANA.
    time_zone = models.CharField(max_length=64)
    # What is counted for it; null for the measurements of one transaction, and until its rule is active.
    measure = tenant_foreign_key("rules.RuleMeasure", null=True)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - null on the wire is not the empty text
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "rule"], name="rules_ruleparameter_current", condition=CURRENT)]
        constraints = [
            is_finite(table="rules_ruleparameter", field="limit_value"),
            models.CheckConstraint(condition=Q(limit_value__gte=0), name="rules_ruleparameter_limit_value_check"),
            models.CheckConstraint(condition=Q(measurement_type__in=Measurement.values), name="rules_ruleparameter_measurement_type_check"),
            models.CheckConstraint(
                condition=Q(
                    measurement_type__in=[Measurement.THIS_PAYMENT_AMOUNT, Measurement.THIS_TRANSACTION_COST],
                    interval_value__isnull=True,
                    interval_unit__isnull=True,
                )
                | Q(
                    measurement_type__in=[
                        Measurement.COUNT_TRANSACTIONS,
                        Measurement.SUM_PAYMENT_AMOUNT,
                        Measurement.SUM_TRANSACTION_COSTS,
                    ],
                    interval_value__gte=1,
                    interval_unit__in=IntervalUnit.values,
                ),
                name="rules_ruleparameter_interval_check",
            ),
            models.CheckConstraint(condition=Q(measurement_scope__in=Scope.values), name="rules_ruleparameter_measurement_scope_check"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="rules_ruleparameter_currency_check"),
        ]

    def __str__(self) -> str:
        return self.parameter_name or code_in_words(self.measurement_type)


class RuleCondition(TenantOwned):
    """What a transaction must look like for the rule to apply: conditions of a group all match, or those of another group do."""

    rule = tenant_foreign_key("rules.SpendingRule", related_name="condition_rows")
    field_type = models.CharField(max_length=32, choices=FieldType)
    # The key within a qualifier, a transaction or a payment; dots lead into objects. Null for service, action and resource.
    field_name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null on the wire
    operator = models.CharField(max_length=16, choices=Operator)
    value = models.CharField(max_length=2048)
    condition_group = models.CharField(max_length=64, default=ConditionGroup.PRIMARY)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "rule"], name="rules_rulecondition_current", condition=CURRENT)]
        constraints = [
            models.CheckConstraint(
                condition=Q(field_type__in=[FieldType.SERVICE, FieldType.ACTION, FieldType.RESOURCE], field_name__isnull=True)
                | Q(
                    field_type__in=[FieldType.QUALIFIER, FieldType.TRANSACTION_PROPERTY, FieldType.PAYMENT_PROPERTY],
                    field_name__isnull=False,
                ),
                name="rules_rulecondition_field_check",
            ),
            models.CheckConstraint(condition=Q(operator__in=Operator.values), name="rules_rulecondition_operator_check"),
        ]

    def __str__(self) -> str:
        return f"{self.field_name or self.field_type} {self.operator} {self.value}"


class AgentRule(TenantOwned):
    """An agent to whose transactions the rule applies; a rule without any applies to all."""

    rule = tenant_foreign_key("rules.SpendingRule", related_name="agent_rows")
    agent = tenant_foreign_key("metering.Agent")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "agent"], name="rules_agentrule_agent", condition=CURRENT)]
        constraints = [models.UniqueConstraint(fields=["tenant", "rule", "agent"], name="rules_agentrule_agent_key", condition=CURRENT)]

    def __str__(self) -> str:
        return f"Agent …{str(self.agent_id)[-8:]}"


class RuleVersion(LedgerRow):
    """A rule as one change left it, so that an old decision can still be explained. Never edited."""

    tenant = tenant_of_account()
    rule = tenant_foreign_key("rules.SpendingRule", related_name="versions")
    version = models.PositiveIntegerField()
    change = models.CharField(max_length=16, choices=RuleChange)
    # The rule with its parameters, conditions and agents.
    definition = DocumentField()
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    facts_digest = models.BinaryField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "rule", "version"], name="rules_ruleversion_version_key"),
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"],
                name="rules_ruleversion_idempotency_key_key",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(condition=Q(change__in=RuleChange.values), name="rules_ruleversion_change_check"),
        ]

    def __str__(self) -> str:
        return f"version {self.version}"
