"""The tables of the billing ledger: a wallet for each tenant and currency, its entries and holds, and the tenant's settings."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Abs, Now
from django.db.models.lookups import Exact, IsNull

from billing.choices import (
    AGENT_LENGTH,
    NEAR_DUPLICATE_SECONDS,
    REASON_LENGTH,
    REFERENCE_LENGTH,
    TYPE_LENGTH,
    Direction,
    Flag,
    HoldEntryKind,
    ReversalReason,
    type_in_words,
)
from kernel.ledger.base_models import LedgerRow, TenantOwned, differs, one_of_by, tenant_foreign_key, tenant_of_account
from kernel.ledger.holds import HoldStatus
from kernel.ledger.identifiers import with_short_ids
from kernel.ledger.json_field import DocumentField
from kernel.ledger.money import ZERO, MoneyField, are_finite, in_words, is_finite


def _has_flag(flag: Flag) -> Q:
    """As `flags__contains`, with a shorter text: PostgreSQL parses it for each statement that writes (kernel/ledger/base_models.py)."""
    return Q(Func(Value(flag.value), F("flags"), arg_joiner=" = ANY (", template="%(expressions)s)", output_field=models.BooleanField()))


# Totals add up magnitudes without end, so they get ten digits more than an amount.
TOTAL_DIGITS = 48
TOTAL_PLACES = 18


def type_label(row: "Transaction | DailyTotal") -> str:
    """What people call the row's type. The tenant's own label where `billing.selectors.set_type_labels` has set it."""
    return row.__dict__.get("type_label") or type_in_words(row.type)


class Policy(TenantOwned):
    """A tenant's billing settings; a tenant without a row has the defaults."""

    # Refuse transactions whose type isn't in the catalogue.
    strict_types = models.BooleanField(default=False)
    # Two entries alike that happened within this many seconds of each other are flagged; 0 switches it off.
    near_duplicate_seconds = models.PositiveIntegerField(default=NEAR_DUPLICATE_SECONDS)
    # The floor of wallets opened from now on, never above the zero that they open at. Null: none. The constraint below is a copy of
    # billing_floor_allows (billing/sql/billing_floor_allows.sql) for a balance of zero.
    # To change it: CONTRIBUTING.md, "To change the floor rule of wallets".
    default_floor = MoneyField(null=True, blank=True)
    # How long a hold may last at most, with all its extensions. Null: as long as its caller says.
    longest_hold_seconds = models.PositiveIntegerField(null=True, blank=True)
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
            models.CheckConstraint(
                condition=Q(longest_hold_seconds__isnull=True) | Q(longest_hold_seconds__gte=1), name="billing_policy_longest_hold_check"
            ),
        ]

    def __str__(self) -> str:
        return f"Policy of {self.tenant}"


class TransactionType(TenantOwned):
    """A type that a tenant defined or used, and what its amounts do to a wallet.

    Not catalogued: it came in with a transaction and nobody has defined it; its amounts count with their own sign.
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
        return self.label or self.code


class Wallet(TenantOwned):
    """What a tenant has in one currency: the balance after its newest entry. One wallet per currency, so the floor is per currency.

    Opened by its first entry, whose id it takes, with the policy's default_floor; or by set_floor, with the floor that is set.
    """

    currency = models.CharField(max_length=3)
    balance = MoneyField(default=0)
    # What holds reserve of the balance. Overdue holds are in it until the next posting, or a job, ends them: readers ask billing_held_at.
    held = MoneyField(default=0, db_default=0)
    last_entry_number = models.BigIntegerField(default=0)
    last_entry_at = models.DateTimeField(null=True, blank=True)
    # A debit that would take the balance less what is held below it is refused. Null: no limit. billing_wallet_floor_check is a copy of
    # billing_floor_allows (billing/sql/billing_floor_allows.sql): a constraint that called the function would keep migrations from
    # replacing it. To change it: CONTRIBUTING.md, "To change the floor rule of wallets".
    floor = MoneyField(null=True, blank=True)
    # An entry that takes the balance below it, or back to it, is an event (billing/sql/billing_write_events.sql). Null: none is.
    alert_below = MoneyField(null=True, blank=True)
    # When a refused debit last became an event: at most one a minute does.
    refusal_reported_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["tenant", "currency"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "currency"], name="billing_wallet_currency_key"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="billing_wallet_currency_check"),
            models.CheckConstraint(
                # Null, and so not broken, where there is no floor.
                condition=Q(balance__gte=F("floor") + F("held")),
                name="billing_wallet_floor_check",
            ),
            models.CheckConstraint(condition=Q(held__gte=ZERO), name="billing_wallet_held_check"),
            models.CheckConstraint(
                condition=Q(last_entry_number__gte=0) & (Q(last_entry_at__isnull=False) | Q(last_entry_number=0)),
                name="billing_wallet_last_entry_check",
            ),
            are_finite(table="billing_wallet", fields=("balance", "held", "floor", "alert_below")),
        ]

    def __str__(self) -> str:
        return f"{self.currency} wallet"


class Transaction(LedgerRow):
    """One entry of a wallet: what was recorded, what it did to the balance, and the balance after it.

    `amount` is as the caller stated it, `effect` the signed change of the balance (billing/sql/billing_effect.sql, of which
    billing_transaction_effect_check is a copy). A reversal has its original's type, its amount or a part of it, and the opposite effect.
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
    agent_id = models.CharField(max_length=AGENT_LENGTH, null=True, blank=True)  # noqa: DJ001 - "" is another fact than none
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 - the same
    metadata = DocumentField(null=True, blank=True)
    reverses = tenant_foreign_key("billing.Transaction", null=True)
    reason_code = models.CharField(max_length=32, blank=True, default="", choices=ReversalReason.choices)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    # How much of this entry is reversed (a magnitude), and the reversal after which nothing remained.
    reversed_amount = MoneyField(default=0)
    reversed_by = tenant_foreign_key("billing.Transaction", null=True)
    flags = ArrayField(models.CharField(max_length=32, choices=Flag.choices), default=list, blank=True)
    near_duplicate_of = tenant_foreign_key("billing.Transaction", null=True)
    # The hour it happened in and a hash of type, amount and agent (billing/sql/billing_duplicate_bucket.sql): entries alike are found by
    # one index probe for each hour of the near-duplicate window.
    duplicate_bucket = models.BigIntegerField()
    facts_digest = models.BinaryField(max_length=128)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "reference_id", "type"], name="billing_transaction_reference_key"),
            models.UniqueConstraint(fields=["tenant", "wallet", "entry_number"], name="billing_transaction_entry_key"),
            models.CheckConstraint(condition=Q(entry_number__gte=1), name="billing_transaction_entry_number_check"),
            models.CheckConstraint(condition=differs("reference_id", Value("")), name="billing_transaction_reference_check"),
            models.CheckConstraint(condition=Q(direction=Direction.SIGNED) | Q(amount__gte=ZERO), name="billing_transaction_amount_check"),
            models.CheckConstraint(
                # The opposite of the amount for a debit that reverses nothing, and for what isn't a debit and reverses something.
                condition=Q(
                    effect=Case(
                        When(Exact(Exact(F("direction"), Direction.DEBIT.value), IsNull(F("reverses"), rhs=True)), then=ZERO - F("amount")),
                        default=F("amount"),
                        output_field=MoneyField(),
                    )
                ),
                name="billing_transaction_effect_check",
            ),
            models.CheckConstraint(
                condition=Q(reversed_amount__gte=ZERO, reversed_amount__lte=Abs("effect")), name="billing_transaction_reversed_check"
            ),
            models.CheckConstraint(
                condition=Q(reversed_by__isnull=True) | Q(reversed_amount=Abs("effect")), name="billing_transaction_reversed_by_check"
            ),
            models.CheckConstraint(
                condition=Q(near_duplicate_of__isnull=True) | _has_flag(Flag.NEAR_DUPLICATE),
                name="billing_transaction_flags_check",
            ),
            models.CheckConstraint(
                condition=one_of_by("reason_code", null="reverses", values=[""], others=ReversalReason.values),
                name="billing_transaction_reason_check",
            ),
            # The effect is as finite as the amount.
            are_finite(table="billing_transaction", fields=("amount", "balance_after")),
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
            # Rare values that staff filter by: most entries are debits, and few are ever reversed.
            models.Index(fields=["id"], name="billing_transaction_no_debit", condition=~Q(direction="debit")),
            models.Index(fields=["id"], name="billing_transaction_reversed", condition=Q(reversed_amount__gt=0)),
            # The entries of a backfill run. Those of other requests aren't looked up by request, and their postings don't pay for an index.
            models.Index(fields=["tenant", "request_id", "id"], name="billing_transaction_run", condition=Q(request_id__startswith="run:")),
        ]

    def __str__(self) -> str:
        what = f"{type_label(self)} reversal" if self.reverses_id is not None else type_label(self)
        return f"{what} {with_short_ids(self.reference_id)}"


class WalletHold(LedgerRow):
    """An amount of a wallet that is reserved until `expires_at`. It changes no balance; `captured` is what debits took of it.

    It changes under the lock of its wallet only. While it is active it reserves what isn't captured yet.
    """

    wallet = tenant_foreign_key("billing.Wallet", related_name="holds")
    currency = models.CharField(max_length=3)
    amount = MoneyField()
    captured = MoneyField(default=0)
    # The caller's key.
    reference_id = models.CharField(max_length=REFERENCE_LENGTH)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    # Placed on a wallet without a floor, it may reserve what isn't there.
    allow_overdraft = models.BooleanField(default=False)
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=8, choices=HoldStatus.choices, default=HoldStatus.ACTIVE)
    closed_at = models.DateTimeField(null=True, blank=True)
    facts_digest = models.BinaryField(max_length=128)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "reference_id"], name="billing_wallethold_reference_key"),
            models.CheckConstraint(condition=~Q(reference_id=""), name="billing_wallethold_reference_check"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="billing_wallethold_amount_check"),
            models.CheckConstraint(condition=Q(captured__gte=0, captured__lte=F("amount")), name="billing_wallethold_captured_check"),
            models.CheckConstraint(condition=Q(status__in=HoldStatus.values), name="billing_wallethold_status_check"),
            models.CheckConstraint(
                condition=Q(status="active", closed_at__isnull=True) | (~Q(status="active") & Q(closed_at__isnull=False)),
                name="billing_wallethold_closed_check",
            ),
            is_finite(table="billing_wallethold", field="amount"),
        ]
        indexes = [
            models.Index(fields=["tenant", "created_at", "id"], name="billing_wallethold_created"),
            models.Index(fields=["tenant", "wallet", "expires_at"], name="billing_wallethold_open", condition=Q(status="active")),
            # Read by billing_held_at: holds that became overdue after a hold entry.
            models.Index(fields=["tenant", "wallet", "expires_at", "created_at"], name="billing_wallethold_end"),
            models.Index(fields=["expires_at"], name="billing_wallethold_expiry", condition=Q(status="active")),
        ]

    def __str__(self) -> str:
        return with_short_ids(self.reference_id)


class WalletHoldEntry(LedgerRow):
    """One change of a hold, and what holds reserve of its wallet after it; a wallet's `held` is that of its newest one.

    `reference_id` is the key of a capture or an extension, `transaction` the debit of a capture.
    """

    wallet = tenant_foreign_key("billing.Wallet")
    hold = tenant_foreign_key("billing.WalletHold", related_name="entries")
    kind = models.CharField(max_length=8, choices=HoldEntryKind.choices)
    # What was reserved, or is no longer; zero for an extension, and where nothing was left to capture or release.
    amount = MoneyField()
    held_after = MoneyField()
    # What the hold has captured in all, and when it ends, after this change.
    captured_after = MoneyField()
    expires_at = models.DateTimeField()
    is_final = models.BooleanField(default=False)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    reference_id = models.CharField(max_length=REFERENCE_LENGTH, null=True, blank=True)  # noqa: DJ001 - unique where there is one
    transaction = tenant_foreign_key("billing.Transaction", null=True)
    # The digest of the call that captured, extended or released the hold.
    facts_digest = models.BinaryField(max_length=128, null=True, blank=True)

    class Meta:
        verbose_name_plural = "wallet hold entries"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "reference_id", "kind"], name="billing_walletholdentry_reference_key"),
            models.CheckConstraint(condition=Q(kind__in=HoldEntryKind.values), name="billing_walletholdentry_kind_check"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="billing_walletholdentry_amount_check"),
            models.CheckConstraint(condition=Q(held_after__gte=0), name="billing_walletholdentry_held_check"),
            models.CheckConstraint(
                condition=Q(kind="captured", amount=0, transaction__isnull=True)
                | Q(kind="captured", amount__gt=0, transaction__isnull=False)
                | (~Q(kind="captured") & Q(transaction__isnull=True)),
                name="billing_walletholdentry_debit_check",
            ),
            is_finite(table="billing_walletholdentry", field="amount"),
        ]
        indexes = [
            models.Index(fields=["tenant", "wallet", "created_at", "id"], name="billing_holdentry_wallet"),
            models.Index(fields=["tenant", "hold"], name="billing_holdentry_hold"),
            models.Index(fields=["tenant", "transaction"], name="billing_holdentry_debit", condition=Q(transaction__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {in_words(self.amount)}"


class DailyTotal(TenantOwned):
    """Sums of the entries of one type and currency that happened on one UTC day; written by the posting function."""

    currency = models.CharField(max_length=3)
    type = models.CharField(max_length=TYPE_LENGTH)
    day = models.DateField()
    entries = models.BigIntegerField(default=0)
    # Magnitudes: the sum of all positive effects, and of all negative ones.
    credits = models.DecimalField(max_digits=TOTAL_DIGITS, decimal_places=TOTAL_PLACES, default=0)
    debits = models.DecimalField(max_digits=TOTAL_DIGITS, decimal_places=TOTAL_PLACES, default=0)

    class Meta:
        ordering = ["-day", "currency", "type"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "currency", "day", "type"], name="billing_dailytotal_day_key"),
            models.CheckConstraint(
                condition=Q(entries__gte=1, credits__gte=ZERO, debits__gte=ZERO), name="billing_dailytotal_magnitude_check"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.currency} {type_label(self)}"
