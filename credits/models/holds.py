"""Amounts reserved of grants, and what changed them."""

from django.db import models
from django.db.models import F, Q

from credits.choices import HoldCallKind, HoldEntryKind
from kernel.ledger.base_models import LedgerRow, tenant_foreign_key
from kernel.ledger.holds import HoldStatus
from kernel.ledger.money import MoneyField, in_words, is_finite


class Hold(LedgerRow):
    """An amount reserved for a customer until `expires_at`. It changes no balance; its lines are the parts reserved of each grant."""

    customer_id = models.CharField(max_length=255)
    currency = models.CharField(max_length=3, blank=True, default="")
    metric_id = models.CharField(max_length=255, blank=True, default="")
    amount = MoneyField()
    reason = models.CharField(max_length=1000, blank=True, default="")
    expires_at = models.DateTimeField()
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is "no key", and unique by index
    facts_digest = models.BinaryField()
    status = models.CharField(max_length=8, choices=HoldStatus.choices, default=HoldStatus.ACTIVE)
    captured = MoneyField(default=0)
    closed_at = models.DateTimeField(null=True, blank=True)
    close_digest = models.BinaryField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "idempotency_key"], name="credits_hold_idempotency"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credits_hold_amount_positive"),
            models.CheckConstraint(condition=Q(captured__gte=0, captured__lte=F("amount")), name="credits_hold_captured_within_amount"),
            is_finite(table="credits_hold", field="amount"),
        ]
        indexes = [
            models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_hold_page_index"),
            models.Index(fields=["expires_at"], name="credits_hold_expiry_index", condition=Q(status="active")),
        ]

    def __str__(self) -> str:
        return f"Hold of {in_words(self.amount, self.currency or self.metric_id)} for {self.customer_id}"


class HoldLine(LedgerRow):
    """The part of a hold that is reserved of one grant. `remaining` is what is still reserved; `expires_at` is a copy of the hold's."""

    hold = tenant_foreign_key("credits.Hold", related_name="lines")
    grant = tenant_foreign_key("credits.Grant", related_name="hold_lines")
    amount = MoneyField()
    expires_at = models.DateTimeField()
    chosen_by = models.JSONField()
    remaining = MoneyField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "hold", "grant"], name="credits_holdline_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credits_holdline_amount_positive"),
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("amount")), name="credits_holdline_remaining_within_amount"
            ),
            is_finite(table="credits_holdline", field="amount"),
        ]
        indexes = [
            models.Index(fields=["tenant", "grant", "expires_at"], name="credits_holdline_open_index", condition=Q(remaining__gt=0)),
            # Read by credits_held_at: lines that became overdue after a hold entry.
            models.Index(fields=["tenant", "grant", "expires_at", "created_at"], name="credits_holdline_end_index"),
        ]

    def __str__(self) -> str:
        return f"Part of a hold: {in_words(self.amount)}"


class HoldEntry(LedgerRow):
    """One change of what is reserved of one grant; a grant's `held` is the sum of its entries."""

    hold = tenant_foreign_key("credits.Hold", related_name="entries")
    grant = tenant_foreign_key("credits.Grant", related_name="hold_entries")
    kind = models.CharField(max_length=8, choices=HoldEntryKind.choices)
    amount = MoneyField()
    held_after = MoneyField()
    reason = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        verbose_name_plural = "hold entries"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="credits_holdentry_amount_positive"),
            models.CheckConstraint(condition=Q(held_after__gte=0), name="credits_holdentry_held_not_negative"),
            is_finite(table="credits_holdentry", field="amount"),
        ]
        indexes = [
            models.Index(fields=["tenant", "grant", "-created_at", "-id"], name="credits_holdentry_grant_index"),
            models.Index(fields=["tenant", "hold"], name="credits_holdentry_hold_index"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {in_words(self.amount)}"


class HoldCall(LedgerRow):
    """One capture, extension or release of a hold: its key, its facts, and the hold after it. A repeated call is answered with it."""

    hold = tenant_foreign_key("credits.Hold", related_name="calls")
    kind = models.CharField(max_length=8, choices=HoldCallKind.choices)
    # What a capture took; zero for an extension, and where nothing was left.
    amount = MoneyField()
    captured_after = MoneyField()
    # The hold's end before and after this call.
    expires_before = models.DateTimeField()
    expires_at = models.DateTimeField()
    # Whether this call ended the hold.
    is_final = models.BooleanField()
    reason = models.CharField(max_length=1000, blank=True, default="")
    invoice_id = models.CharField(max_length=255, blank=True, default="")
    billing_run_id = models.CharField(max_length=255, blank=True, default="")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is "no key", and unique by index
    facts_digest = models.BinaryField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "idempotency_key", "kind"], name="credits_holdcall_idempotency"),
            models.CheckConstraint(condition=Q(kind__in=HoldCallKind.values), name="credits_holdcall_kind_known"),
            models.CheckConstraint(condition=Q(amount__gte=0, captured_after__gte=F("amount")), name="credits_holdcall_amount_within"),
            models.CheckConstraint(
                condition=Q(is_final=True) & ~Q(kind="extended") | Q(is_final=False, idempotency_key__isnull=False) & ~Q(kind="released"),
                name="credits_holdcall_key_of_part",
            ),
            is_finite(table="credits_holdcall", field="amount"),
        ]
        indexes = [models.Index(fields=["tenant", "hold"], name="credits_holdcall_hold_index")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {in_words(self.amount)}"
