"""Recurring grants, grants of prepaid credit, draws on them, and their transactions."""

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.lookups import Exact, IsNull

from credits.choices import Category, GrantStatus, RecurringGrantStatus, TransactionKind, TransactionType, UnitType
from kernel.ledger.base_models import LedgerRow, one_of, tenant_foreign_key, tenant_of_account
from kernel.ledger.money import ZERO, MoneyField, are_finite, in_words, is_finite


class RecurringGrant(LedgerRow):
    """A rule that issues a grant of `amount` for each period, as long as it is active.

    Its published address says schedule: /credit-schedules.

    Period n begins `n * every_months` months after `starts_on`, counted from `starts_on` itself (31 January, 28 February, 31 March), and
    its grant expires on the last day before the next begins. What expires of a period rolls over to the next, up to `rollover_cap`.
    """

    customer_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    unit_type = models.CharField(max_length=8, choices=UnitType.choices)
    currency = models.CharField(max_length=3)
    metric_id = models.CharField(max_length=255, blank=True, default="")
    amount = MoneyField()
    cost_of_credit = MoneyField(null=True, blank=True)
    category = models.CharField(max_length=11, choices=Category.choices, default=Category.PAID)
    priority = models.PositiveSmallIntegerField(default=50)
    every_months = models.PositiveSmallIntegerField(default=1)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    rollover_cap = MoneyField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is "no key", and unique by index
    facts_digest = models.BinaryField()
    status = models.CharField(max_length=9, choices=RecurringGrantStatus.choices, default=RecurringGrantStatus.ACTIVE)
    next_period = models.PositiveIntegerField(default=0)
    next_on = models.DateField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "idempotency_key"], name="credits_recurringgrant_idempotency"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credits_recurringgrant_amount_positive"),
            models.CheckConstraint(condition=Q(priority__lte=100), name="credits_recurringgrant_priority_range"),
            models.CheckConstraint(condition=Q(every_months__gte=1, every_months__lte=120), name="credits_recurringgrant_months_range"),
            models.CheckConstraint(condition=Q(rollover_cap__gte=0), name="credits_recurringgrant_cap_not_negative"),
            models.CheckConstraint(condition=Q(cost_of_credit__gte=0), name="credits_recurringgrant_cost_not_negative"),
            is_finite(table="credits_recurringgrant", field="amount"),
        ]
        indexes = [
            models.Index(fields=["next_on"], name="credits_recurring_due_index", condition=Q(status="active")),
            models.Index(fields=["tenant", "-created_at", "-id"], name="credits_recurring_page_index"),
        ]

    def __str__(self) -> str:
        return self.name


class Grant(LedgerRow):
    """One grant of credit to one customer: an account that opens with its amount and is burned down by transactions.

    The row stores the sum of its transactions (`balance`), what holds reserve (`held`; includes overdue holds until a posting or a job
    releases them), and the newest transaction's number. A debit may take `balance - held`, without overdue holds. `cost_of_credit` is what
    the customer paid for the whole grant.
    """

    customer_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    unit_type = models.CharField(max_length=8, choices=UnitType.choices)
    currency = models.CharField(max_length=3)
    metric_id = models.CharField(max_length=255, blank=True, default="")
    category = models.CharField(max_length=11, choices=Category.choices, default=Category.PAID)
    priority = models.PositiveSmallIntegerField(default=50)
    original_amount = MoneyField()
    cost_of_credit = MoneyField(null=True, blank=True)
    effective_date = models.DateField()
    expiry_date = models.DateField(null=True, blank=True)
    recurring_grant = tenant_foreign_key("credits.RecurringGrant", null=True, related_name="grants")
    period = models.PositiveIntegerField(null=True, blank=True)
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is "no key", and unique by index
    facts_digest = models.BinaryField()
    balance = MoneyField()
    held = MoneyField(default=0)
    last_entry_number = models.BigIntegerField()
    last_entry_at = models.DateTimeField()
    status = models.CharField(max_length=7, choices=GrantStatus.choices, default=GrantStatus.OPEN)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "idempotency_key"], name="credits_grant_idempotency"),
            models.UniqueConstraint(fields=["tenant", "recurring_grant", "period"], name="credits_grant_period"),
            models.CheckConstraint(condition=Q(original_amount__gt=ZERO), name="credits_grant_amount_positive"),
            # So the balance isn't negative either.
            models.CheckConstraint(condition=Q(held__gte=ZERO, held__lte=F("balance")), name="credits_grant_held_within_balance"),
            models.CheckConstraint(condition=Q(priority__lte=100), name="credits_grant_priority_range"),
            models.CheckConstraint(condition=Q(cost_of_credit__gte=ZERO), name="credits_grant_cost_not_negative"),
            models.CheckConstraint(condition=Q(expiry_date__gte=F("effective_date")), name="credits_grant_dates_in_order"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="credits_grant_currency_code"),
            models.CheckConstraint(
                condition=Q(unit_type=Case(When(metric_id="", then=Value("CURRENCY")), default=Value("METRIC"))),
                name="credits_grant_metric_named",
            ),
            models.CheckConstraint(
                condition=Q(Exact(IsNull(F("recurring_grant"), rhs=True), IsNull(F("period"), rhs=True))),
                name="credits_grant_recurring_with_period",
            ),
            are_finite(table="credits_grant", fields=("original_amount", "balance")),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at", "-id"], name="credits_grant_page_index"),
            models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_grant_customer_index"),
            # Finds what one import run created; rows of other requests aren't indexed, so their postings don't pay for it.
            models.Index(fields=["tenant", "request_id", "id"], name="credits_grant_run", condition=Q(request_id__startswith="run:")),
            models.Index(fields=["expiry_date"], name="credits_grant_expiry_index", condition=Q(status="open", expiry_date__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.name


class Consumption(LedgerRow):
    """One amount drawn across a customer's grants, with a transaction for each grant. `taken` is less than `amount` only if `partial`."""

    customer_id = models.CharField(max_length=255)
    currency = models.CharField(max_length=3, blank=True, default="")
    metric_id = models.CharField(max_length=255, blank=True, default="")
    amount = MoneyField()
    taken = MoneyField()
    partial = models.BooleanField()
    reason = models.CharField(max_length=1000, blank=True, default="")
    invoice_id = models.CharField(max_length=255, blank=True, default="")
    billing_run_id = models.CharField(max_length=255, blank=True, default="")
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - null is "no key", and unique by index
    facts_digest = models.BinaryField()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "idempotency_key"], name="credits_consumption_idempotency"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="credits_consumption_amount_positive"),
            models.CheckConstraint(
                condition=Q(taken__gte=0) & (Q(taken=F("amount")) | Q(partial=True, taken__lt=F("amount"))),
                name="credits_consumption_taken_whole_or_partial",
            ),
            is_finite(table="credits_consumption", field="amount"),
        ]
        indexes = [models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_consumption_page_index")]

    def __str__(self) -> str:
        return f"Draw of {in_words(self.amount, self.currency or self.metric_id)} for {self.customer_id}"


class CreditTransaction(LedgerRow):
    """One movement of one grant's balance. Never changed: a correction is another transaction that names the one it reverses.

    Named after its API (`/credit-transactions`); billing's and metering's, whose APIs say `transactions`, are called Transaction.

    `occurred_at` is the moment for which it counts (for an expiry, the day after the grant's last one); `created_at` is when it was booked.
    `cost_basis` is how much of the grant's cost the amount stands for. `chosen_by` holds the values by which a burn-down chose this grant.
    """

    tenant = tenant_of_account()
    grant = tenant_foreign_key("credits.Grant", related_name="transactions")
    customer_id = models.CharField(max_length=255)
    type = models.CharField(max_length=6, choices=TransactionType.choices)
    kind = models.CharField(max_length=13, choices=TransactionKind.choices)
    amount = MoneyField()
    entry_number = models.BigIntegerField()
    balance_after = MoneyField()
    cost_basis = MoneyField(null=True, blank=True)
    reason = models.CharField(max_length=1000, blank=True, default="")
    invoice_id = models.CharField(max_length=255, blank=True, default="")
    billing_run_id = models.CharField(max_length=255, blank=True, default="")
    reverses = tenant_foreign_key("credits.CreditTransaction", null=True, related_name="reversals")
    consumption = tenant_foreign_key("credits.Consumption", null=True, related_name="transactions")
    hold = tenant_foreign_key("credits.Hold", null=True, related_name="transactions")
    chosen_by = models.JSONField(null=True, blank=True)
    # Up to 255 from the caller, and up to 5 for the number of an item of a batch (`key:999`).
    idempotency_key = models.CharField(max_length=260, null=True, blank=True)  # noqa: DJ001 - null is "no key", and unique by index
    facts_digest = models.BinaryField(null=True, blank=True)

    class Meta:
        db_table = "credits_transaction"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "grant", "entry_number"], name="credits_transaction_numbered"),
            models.UniqueConstraint(
                fields=["tenant", "idempotency_key"], name="credits_transaction_idempotency", condition=Q(idempotency_key__isnull=False)
            ),
            models.CheckConstraint(condition=Q(amount__gt=ZERO), name="credits_transaction_amount_positive"),
            models.CheckConstraint(condition=Q(balance_after__gte=ZERO), name="credits_transaction_balance_not_negative"),
            models.CheckConstraint(condition=one_of("type", TransactionType.values), name="credits_transaction_type_known"),
            models.CheckConstraint(
                condition=Q(
                    Case(
                        When(kind="opening", then=Q(entry_number=1, type="CREDIT")),
                        default=Q(entry_number__gt=1),
                        output_field=models.BooleanField(),
                    )
                ),
                name="credits_transaction_opening_first",
            ),
            models.CheckConstraint(
                condition=Q(Exact(Exact(F("kind"), "reversal"), IsNull(F("reverses"), rhs=False))),
                name="credits_transaction_reversal_names_its_own",
            ),
            are_finite(table="credits_transaction", fields=("amount", "balance_after")),
        ]
        indexes = [
            models.Index(fields=["tenant", "-created_at", "-id"], name="credits_txn_page_index"),
            # Finds what one import run created; rows of other requests aren't indexed, so their postings don't pay for it.
            models.Index(fields=["tenant", "request_id", "id"], name="credits_transaction_run", condition=Q(request_id__startswith="run:")),
            models.Index(fields=["tenant", "grant", "-created_at", "-id"], name="credits_txn_grant_index"),
            models.Index(fields=["tenant", "customer_id", "-created_at", "-id"], name="credits_txn_customer_index"),
            models.Index(fields=["tenant", "invoice_id", "grant"], name="credits_txn_invoice_index", condition=~Q(invoice_id="")),
            models.Index(
                fields=["tenant", "billing_run_id", "-created_at", "-id"], name="credits_txn_run_index", condition=~Q(billing_run_id="")
            ),
            # A transaction may be reversed in parts; finds the parts to decide how much of it is left.
            models.Index(fields=["tenant", "reverses"], name="credits_txn_reverses_index", condition=Q(reverses__isnull=False)),
            models.Index(fields=["tenant", "consumption"], name="credits_txn_consumption_index", condition=Q(consumption__isnull=False)),
            models.Index(fields=["tenant", "hold"], name="credits_txn_hold_index", condition=Q(hold__isnull=False)),
            # Transactions whose two times differ: credits_balances_at corrects the balance by book time with them for world time.
            models.Index(fields=["tenant", "grant"], name="credits_txn_two_times_index", condition=~Q(occurred_at=F("created_at"))),
        ]

    def __str__(self) -> str:
        # The grant has the unit. It isn't read for the name alone: a list of names would be as many queries.
        grant = self.grant if "grant" in self._state.fields_cache else None
        unit = (grant.metric_id or grant.currency) if grant else ""
        return f"{self.what} of {in_words(self.amount, unit)}"

    @property
    def what(self) -> str:
        """What people call it: why it was posted, as "Expiry", which says more than that it is a debit."""
        return self.get_type_display() if self.kind == TransactionKind.CAPTURE else self.get_kind_display()
