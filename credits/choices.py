"""The words of this ledger."""

from django.db import models


class TransactionType(models.TextChoices):
    """Which way a transaction moves its grant's balance."""

    DEBIT = "DEBIT", "Debit"
    CREDIT = "CREDIT", "Credit"


class UnitType(models.TextChoices):
    """What a grant counts: money, or units of a metric."""

    CURRENCY = "CURRENCY", "Currency"
    METRIC = "METRIC", "Metric"


class BalanceType(models.TextChoices):
    """The published name of a unit type where balances are told."""

    CASH = "CASH", "Cash"
    USAGE = "USAGE", "Usage"


class Category(models.TextChoices):
    """Whether the customer paid for the grant. Given credit is burned before paid credit of the same rank."""

    PAID = "paid", "Paid"
    PROMOTIONAL = "promotional", "Promotional"


class GrantStatus(models.TextChoices):
    """Where a grant stands. `open` may still be past its expiry date: the dates decide, the status says what was posted."""

    OPEN = "open", "Open"
    EXPIRED = "expired", "Expired"
    VOIDED = "voided", "Voided"
    DELETED = "deleted", "Deleted"


class TransactionKind(models.TextChoices):
    """Why a transaction was posted."""

    OPENING = "opening", "Opening"
    DEBIT = "debit", "Debit"
    CREDIT = "credit", "Credit"
    CONSUMPTION = "consumption", "Consumption"
    CAPTURE = "capture", "Capture of a hold"
    REINSTATEMENT = "reinstatement", "Reinstatement"
    REVERSAL = "reversal", "Reversal"
    ROLLOVER = "rollover", "Rollover"
    EXPIRY = "expiry", "Expiry"
    VOID = "void", "Void"
    DELETION = "deletion", "Deletion"


# What a person or a program may take back by a reversing transaction. The others have a verb of their own that undoes them.
REVERSIBLE = (
    TransactionKind.DEBIT,
    TransactionKind.CREDIT,
    TransactionKind.CONSUMPTION,
    TransactionKind.CAPTURE,
    TransactionKind.REINSTATEMENT,
)


class HoldStatus(models.TextChoices):
    """Where a hold stands. `active` may be past its time: the time decides, the status says what was recorded."""

    ACTIVE = "active", "Active"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class HoldEntryKind(models.TextChoices):
    """What happened to the reserved part of one grant."""

    PLACED = "placed", "Placed"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class ScheduleStatus(models.TextChoices):
    ACTIVE = "active", "Active"
    ENDED = "ended", "Ended"
    CANCELLED = "cancelled", "Cancelled"
