"""The choices of this ledger's fields."""

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
    """The published name of a unit type in balances."""

    CASH = "CASH", "Cash"
    USAGE = "USAGE", "Usage"


class Category(models.TextChoices):
    """Whether the customer paid for the grant. Promotional credit is drawn on before paid credit of the same priority."""

    PAID = "paid", "Paid"
    PROMOTIONAL = "promotional", "Promotional"


class GrantStatus(models.TextChoices):
    """A grant's status. An `open` grant may be past its expiry date: the dates decide, the status says what was posted."""

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


# Kinds that a reversal may take back. The others are undone by calls of their own, or not at all.
REVERSIBLE = (
    TransactionKind.DEBIT,
    TransactionKind.CREDIT,
    TransactionKind.CONSUMPTION,
    TransactionKind.CAPTURE,
    TransactionKind.REINSTATEMENT,
)


class HoldStatus(models.TextChoices):
    """A hold's status. An `active` hold may be past its end: the time decides, the status says what was recorded."""

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
