"""Correction requests: who requested what and why, the previewed entries, the decision, and the posted entries."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kernel.corrections.choices import ReasonCode, State
from kernel.ledger.base_models import TenantOwned, tenant_foreign_key
from kernel.ledger.money import MoneyField, is_finite


class CorrectionRequest(TenantOwned):
    """A request to correct rows of one tenant's ledger. Its content never changes; its state changes once.

    `kind`: the code of a registered kind; `facts`: the values of the kind's own fields. `preview`: the number of the newest preview, which
    is the one that an approval is for. `size`: how much it moves, by currency or metric, as decimal text.
    """

    kind = models.CharField(max_length=64)
    facts = models.JSONField(default=dict)
    reason_code = models.CharField(max_length=32, choices=ReasonCode.choices)
    reason = models.TextField()
    evidence_link = models.CharField(max_length=2000, blank=True, default="")
    size = models.JSONField(default=dict)
    needs_approval = models.BooleanField()
    preview = models.PositiveIntegerField(default=1)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    requested_by = models.CharField(max_length=128)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # The id of the HTTP request that created it.
    request_id = models.CharField(max_length=128, blank=True, default="")
    decided_by = models.CharField(max_length=128, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "corrections_request"
        ordering = ["-id"]
        permissions = [
            ("request_correctionrequest", "Can request corrections"),
            ("decide_correctionrequest", "Can approve and reject corrections"),
            ("comment_correctionrequest", "Can comment on corrections"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="corrections_request_state_check"),
            # The requester never decides, even if the application has a fault.
            models.CheckConstraint(condition=~Q(decided_by=F("requested_by")), name="corrections_request_other_decides"),
            models.CheckConstraint(
                condition=Q(state=State.WAITING, decided_at__isnull=True) | (~Q(state=State.WAITING) & Q(decided_at__isnull=False)),
                name="corrections_request_decided_check",
            ),
            # A request that needs approval is decided by a person; any other is posted when it is made.
            models.CheckConstraint(
                condition=(Q(needs_approval=True, state__in=[State.POSTED, State.REJECTED]) & ~Q(decided_by=""))
                | Q(needs_approval=True, state__in=[State.WAITING, State.WITHDRAWN], decided_by="")
                | Q(needs_approval=False, state=State.POSTED, decided_by=""),
                name="corrections_request_approved_check",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="corrections_request_waiting", condition=Q(state="waiting")),
            models.Index(fields=["requested_by", "id"], name="corrections_request_requester"),
        ]

    def __str__(self) -> str:
        return f"Correction {str(self.id)[-8:]}"

    @property
    def posted_as(self) -> str:
        """The `request_id` of the entries that it posts."""
        return f"correction:{self.id}"


class CorrectionLine(TenantOwned):
    """One row that the request corrects. `target_label` is its model, `target_id` its id."""

    request = tenant_foreign_key("corrections.CorrectionRequest", related_name="lines")
    position = models.PositiveIntegerField()
    target_label = models.CharField(max_length=100)
    target_id = models.UUIDField()

    class Meta:
        db_table = "corrections_line"
        ordering = ["request", "position"]
        constraints = [models.UniqueConstraint(fields=["tenant", "request", "position"], name="corrections_line_position_key")]
        indexes = [models.Index(fields=["tenant", "target_id"], name="corrections_line_target")]

    def __str__(self) -> str:
        return f"{self.target_label} {self.target_id}"


class CorrectionEntry(TenantOwned):
    """One previewed entry, or with `entry_id` a posted one: the account, and its balance before and after.

    Every preview is a `version` of its own and is kept, so that what was approved can be compared with what was posted.
    """

    request = tenant_foreign_key("corrections.CorrectionRequest", related_name="entries")
    version = models.PositiveIntegerField()
    position = models.PositiveIntegerField()
    target_id = models.UUIDField()
    account_label = models.CharField(max_length=100)
    account_id = models.UUIDField()
    account_name = models.CharField(max_length=500)
    entry_number = models.BigIntegerField(null=True, blank=True)
    what = models.CharField(max_length=1000)
    remark = models.CharField(max_length=1000, blank=True, default="")
    unit = models.CharField(max_length=255)
    effect = MoneyField()
    balance_before = MoneyField()
    balance_after = MoneyField()
    entry_label = models.CharField(max_length=100)
    entry_id = models.UUIDField(null=True, blank=True)

    class Meta:
        db_table = "corrections_entry"
        verbose_name_plural = "correction entries"
        ordering = ["request", "version", "position"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "request", "version", "position"], name="corrections_entry_position_key"),
            is_finite(table="corrections_entry", field="effect"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.account_name}"


class CorrectionEvidence(TenantOwned):
    """An evidence file, of the requester or of somebody who decides. Stored in the database, so that it is backed up with the ledger."""

    request = tenant_foreign_key("corrections.CorrectionRequest", related_name="evidence")
    actor = models.CharField(max_length=128)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100)
    content = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "corrections_evidence"
        verbose_name_plural = "correction evidence"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class CorrectionComment(TenantOwned):
    """A comment on a request, made before or after the decision."""

    request = tenant_foreign_key("corrections.CorrectionRequest", related_name="comments")
    actor = models.CharField(max_length=128)
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "corrections_comment"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.text[:80]


class CorrectionStateChange(TenantOwned):
    """One change of a request's state: who made it, when, and why. `from_state` is empty for the first."""

    request = tenant_foreign_key("corrections.CorrectionRequest", related_name="changes")
    from_state = models.CharField(max_length=16, blank=True, default="")
    to_state = models.CharField(max_length=16, choices=State.choices)
    actor = models.CharField(max_length=128)
    reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "corrections_statechange"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} to {self.to_state}"


class CorrectionThreshold(TenantOwned):
    """The largest amount, in one currency or metric, that one person may correct alone. Without a row every correction needs approval.

    `daily_amount`: the largest sum of such corrections within 24 hours, by one person, and of one account; empty: `amount`. Without it a
    person could correct any sum in small parts.
    """

    unit = models.CharField(max_length=255)
    amount = MoneyField()
    daily_amount = MoneyField(null=True, blank=True)
    updated_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "corrections_threshold"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "unit"], name="corrections_threshold_unit_key"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="corrections_threshold_amount_check"),
            is_finite(table="corrections_threshold", field="amount"),
            models.CheckConstraint(condition=Q(daily_amount__gte=0), name="corrections_threshold_daily_amount_check"),
            is_finite(table="corrections_threshold", field="daily_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.unit} threshold"

    @property
    def of_a_day(self) -> Decimal:
        return self.amount if self.daily_amount is None else self.daily_amount
