"""The billing book: for each tenant and currency a wallet, and for each cent in it a line."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Abs, Now

from billing.choices import AGENT_LENGTH, REASON_LENGTH, REFERENCE_LENGTH, TYPE_LENGTH, Direction, Flag, ReversalReason
from kernel.ledger.base_models import LedgerRow, TenantOwned, tenant_foreign_key, tenant_of_account
from kernel.ledger.money import MoneyField, is_finite

# Totals add up magnitudes without end, so they get ten digits more than an amount.
TOTAL_DIGITS = 48
TOTAL_PLACES = 18


class Policy(TenantOwned):
    """How one tenant wants its book kept; a tenant without a row gets the defaults."""

    # Refuse types that aren't in the catalogue.
    strict_types = models.BooleanField(default=False)
    # Two like entries closer than this (seconds, in the world's time) are flagged; 0 switches it off.
    near_duplicate_seconds = models.PositiveIntegerField(default=60)
    # The floor a new wallet begins with; never above the zero it opens at. Null: none.
    default_floor = MoneyField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())
    updated_by = models.CharField(max_length=128)

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["tenant"], name="billing_policy_tenant_key"),
            models.CheckConstraint(
                condition=Q(default_floor__isnull=True) | Q(default_floor__lte=0), name="billing_policy_default_floor_check"
            ),
            is_finite(table="billing_policy", field="default_floor"),
        ]

    def __str__(self) -> str:
        return f"Policy of {self.tenant_id}"


class TransactionType(TenantOwned):
    """A type that a tenant defined or used, and which way its amounts go.

    Uncatalogued: it came in with a transaction and nobody has named it yet; its amounts count with their own sign.
    """

    code = models.CharField(max_length=TYPE_LENGTH)
    label = models.CharField(max_length=200)
    # Transactions refer to (code, direction), so that the database refuses another direction once one of them exists.
    direction = models.CharField(max_length=6, choices=Direction.choices)
    is_catalogued = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=128)

    class Meta:
        ordering = ["tenant", "code"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "code"], name="billing_transactiontype_code_key"),
            models.UniqueConstraint(fields=["tenant", "code", "direction"], name="billing_transactiontype_direction_key"),
            models.CheckConstraint(condition=Q(direction__in=Direction.values), name="billing_transactiontype_direction_check"),
            models.CheckConstraint(condition=~Q(code=""), name="billing_transactiontype_code_check"),
            models.CheckConstraint(
                condition=Q(is_catalogued=True) | Q(direction=Direction.SIGNED),
                name="billing_transactiontype_uncatalogued_check",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Wallet(TenantOwned):
    """What a tenant has in one currency: the balance after its newest entry. Opened by its first entry, whose id it shares."""

    currency = models.CharField(max_length=3)
    balance = MoneyField(default=0)
    last_entry_number = models.BigIntegerField(default=0)
    last_entry_at = models.DateTimeField(null=True, blank=True)
    # A debit that would cross it is refused. Null: the wallet may go below zero as far as it likes.
    floor = MoneyField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["tenant", "currency"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "currency"], name="billing_wallet_currency_key"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="billing_wallet_currency_check"),
            models.CheckConstraint(condition=Q(floor__isnull=True) | Q(balance__gte=F("floor")), name="billing_wallet_floor_check"),
            models.CheckConstraint(
                condition=Q(last_entry_number__gte=0)
                & (Q(last_entry_number=0, last_entry_at__isnull=True) | Q(last_entry_at__isnull=False)),
                name="billing_wallet_last_entry_check",
            ),
            is_finite(table="billing_wallet", field="balance"),
            is_finite(table="billing_wallet", field="floor"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} wallet {self.id}"


class Transaction(LedgerRow):
    """One line of a wallet: what was recorded, what it did to the balance, and the balance it left.

    `amount` is as the caller gave it, `effect` what it did to the wallet. A reversal has the type of what it reverses, its amount or a part
    of it, and the opposite effect.
    """

    tenant = tenant_of_account()
    wallet = tenant_foreign_key("billing.Wallet")
    currency = models.CharField(max_length=3)
    entry_number = models.BigIntegerField()
    type = models.CharField(max_length=TYPE_LENGTH)
    direction = models.CharField(max_length=6, choices=Direction.choices)
    amount = MoneyField()
    effect = MoneyField()
    balance_after = MoneyField()
    reference_id = models.CharField(max_length=REFERENCE_LENGTH)
    agent_id = models.CharField(max_length=AGENT_LENGTH, null=True, blank=True)  # noqa: DJ001 - "" and "not given" are two facts
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - the same
    # The caller's JSON, digit for digit; jsonb would rewrite it.
    metadata = models.TextField(null=True, blank=True)  # noqa: DJ001 - the same
    reverses = tenant_foreign_key("billing.Transaction", null=True)
    reason_code = models.CharField(max_length=32, blank=True, default="", choices=ReversalReason.choices)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    # How much of this entry its reversals have taken back (a magnitude), and the reversal that took the last of it.
    reversed_amount = MoneyField(default=0)
    reversed_by = tenant_foreign_key("billing.Transaction", null=True)
    flags = ArrayField(models.CharField(max_length=32, choices=Flag.choices), default=list, blank=True)
    near_duplicate_of = tenant_foreign_key("billing.Transaction", null=True)
    # The hour it happened in and a hash of type, amount and agent: finds like entries by one index probe for each hour in reach.
    duplicate_bucket = models.BigIntegerField()
    facts_digest = models.BinaryField(max_length=128)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "reference_id", "type"], name="billing_transaction_reference_key"),
            models.UniqueConstraint(fields=["tenant", "wallet", "entry_number"], name="billing_transaction_entry_key"),
            models.CheckConstraint(condition=Q(entry_number__gte=1), name="billing_transaction_entry_number_check"),
            models.CheckConstraint(condition=~Q(reference_id=""), name="billing_transaction_reference_check"),
            models.CheckConstraint(condition=Q(direction=Direction.SIGNED) | Q(amount__gte=0), name="billing_transaction_amount_check"),
            models.CheckConstraint(
                condition=Q(
                    effect=Case(
                        When(Q(direction=Direction.DEBIT, reverses__isnull=True), then=-F("amount")),
                        When(~Q(direction=Direction.DEBIT) & Q(reverses__isnull=False), then=-F("amount")),
                        default=F("amount"),
                        output_field=MoneyField(),
                    )
                ),
                name="billing_transaction_effect_check",
            ),
            models.CheckConstraint(
                condition=Q(reversed_amount__gte=0, reversed_amount__lte=Abs("effect")), name="billing_transaction_reversed_check"
            ),
            models.CheckConstraint(
                condition=Q(reversed_by__isnull=True) | Q(reversed_amount=Abs("effect")), name="billing_transaction_reversed_by_check"
            ),
            models.CheckConstraint(
                condition=Q(near_duplicate_of__isnull=True) | Q(flags__contains=[Flag.NEAR_DUPLICATE]),
                name="billing_transaction_flags_check",
            ),
            models.CheckConstraint(
                condition=Q(reverses__isnull=True, reason_code="") | Q(reverses__isnull=False, reason_code__in=ReversalReason.values),
                name="billing_transaction_reason_check",
            ),
            is_finite(table="billing_transaction", field="amount"),
            is_finite(table="billing_transaction", field="effect"),
            is_finite(table="billing_transaction", field="balance_after"),
        ]
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="billing_transaction_created"),
            models.Index(fields=["tenant", "type", "created_at", "id"], name="billing_transaction_type"),
            models.Index(
                fields=["tenant", "agent_id", "created_at", "id"],
                name="billing_transaction_agent",
                condition=Q(agent_id__isnull=False),
            ),
            models.Index(fields=["tenant", "wallet", "created_at"], name="billing_transaction_booked"),
            models.Index(fields=["tenant", "occurred_at", "id"], name="billing_transaction_happened"),
            models.Index(fields=["tenant", "amount"], name="billing_transaction_amount"),
            models.Index(fields=["wallet", "duplicate_bucket", "occurred_at"], name="billing_transaction_like"),
            models.Index(fields=["id"], name="billing_transaction_flagged", condition=~Q(flags=[])),
            # What staff filter by and is rare: debits are most of a book, and few entries are ever reversed.
            models.Index(fields=["id"], name="billing_transaction_no_debit", condition=~Q(direction="debit")),
            models.Index(fields=["id"], name="billing_transaction_reversed", condition=Q(reversed_amount__gt=0)),
            # What one run brought; other requests need no index, so their postings don't pay for one.
            models.Index(fields=["tenant", "request_id", "id"], name="billing_transaction_run", condition=Q(request_id__startswith="run:")),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.reference_id}"


class DailyTotal(TenantOwned):
    """What the entries of one type did to one currency's wallet on one UTC day of the world's time; kept by the posting itself."""

    currency = models.CharField(max_length=3)
    type = models.CharField(max_length=TYPE_LENGTH)
    day = models.DateField()
    entries = models.BigIntegerField(default=0)
    # Magnitudes: the sum of what was added, and of what was taken.
    credits = models.DecimalField(max_digits=TOTAL_DIGITS, decimal_places=TOTAL_PLACES, default=0)
    debits = models.DecimalField(max_digits=TOTAL_DIGITS, decimal_places=TOTAL_PLACES, default=0)

    class Meta:
        ordering = ["-day", "currency", "type"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "currency", "day", "type"], name="billing_dailytotal_day_key"),
            models.CheckConstraint(condition=Q(entries__gte=1, credits__gte=0, debits__gte=0), name="billing_dailytotal_magnitude_check"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {self.type}"
