"""When a tenant is warned about credit, and how long its holds may last."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.ledger.base_models import TenantOwned
from kernel.ledger.money import MoneyField, is_finite


class Policy(TenantOwned):
    """A tenant's settings for credits; a tenant without a row has the defaults."""

    # How many days before a grant expires it is an event.
    expiring_days = models.PositiveSmallIntegerField(default=7)
    # How long a hold may last at most, with all its extensions. Null: as long as its caller says.
    longest_hold_seconds = models.PositiveIntegerField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())
    updated_by = models.CharField(max_length=128)

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="credits_policy_tenant_key"),
            models.CheckConstraint(condition=Q(expiring_days__lte=366), name="credits_policy_days_check"),
            models.CheckConstraint(
                condition=Q(longest_hold_seconds__isnull=True) | Q(longest_hold_seconds__gte=1), name="credits_policy_longest_hold_check"
            ),
        ]

    def __str__(self) -> str:
        return f"Policy of {self.tenant}"


class BalanceAlert(TenantOwned):
    """The balance in one currency or metric below which a customer is low. Going below it is an event; null: no event any more.

    `is_low` is what the last posting found, so that each crossing is one event (credits/sql/credits_update_alerts.sql).
    """

    customer_id = models.CharField(max_length=255)
    currency = models.CharField(max_length=3, blank=True, default="")
    metric_id = models.CharField(max_length=255, blank=True, default="")
    alert_below = MoneyField(null=True, blank=True)
    is_low = models.BooleanField(default=False)
    updated_at = models.DateTimeField(db_default=Now())
    updated_by = models.CharField(max_length=128)

    class Meta:
        ordering = ["tenant", "customer_id", "currency", "metric_id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "customer_id", "currency", "metric_id"], name="credits_balancealert_unit_key"),
            models.CheckConstraint(
                condition=(Q(currency="") & ~Q(metric_id="")) | (~Q(currency="") & Q(metric_id="")), name="credits_balancealert_unit_check"
            ),
            is_finite(table="credits_balancealert", field="alert_below"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.currency or self.metric_id}"
