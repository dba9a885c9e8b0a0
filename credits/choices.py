"""Choices of the model fields of this ledger."""

from datetime import timedelta

from django.db import models

# How long before its last day pages count a grant as expiring soon.
EXPIRES_SOON_WITHIN = timedelta(days=30)


class TransactionType(models.TextChoices):
    """Which way a transaction moves its grant's balance."""

    DEBIT = "DEBIT", "Debit"
    CREDIT = "CREDIT", "Credit"


class UnitType(models.TextChoices):
    """What a grant counts: money, or units of a metric."""

    CURRENCY = "CURRENCY", "Currency"
    METRIC = "METRIC", "Metric"


class BalanceType(models.TextChoices):
    """The name that the published API gives a unit type in balances: CURRENCY is CASH, METRIC is USAGE."""

    CASH = "CASH", "Cash"
    USAGE = "USAGE", "Usage"


class Category(models.TextChoices):
    """Whether the customer paid for the grant. Promotional credit is drawn on before paid credit of the same priority."""

    PAID = "paid", "Paid"
    PROMOTIONAL = "promotional", "Promotional"


class GrantStatus(models.TextChoices):
    """A grant's status. An `open` grant may be past its expiry date until a job expires it: its dates decide what it can pay."""

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


# Kinds that can be reversed. An opening is undone by deleting or voiding the grant; the other kinds can't be undone.
REVERSIBLE = (
    TransactionKind.DEBIT,
    TransactionKind.CREDIT,
    TransactionKind.CONSUMPTION,
    TransactionKind.CAPTURE,
    TransactionKind.REINSTATEMENT,
)


class HoldCallKind(models.TextChoices):
    """A call that changed a hold."""

    CAPTURED = "captured", "Captured"
    EXTENDED = "extended", "Extended"
    RELEASED = "released", "Released"


class HoldEntryKind(models.TextChoices):
    """Why an entry changed what is reserved of a grant."""

    PLACED = "placed", "Placed"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class RecurringGrantStatus(models.TextChoices):
    """A recurring grant's status. Only an `active` one issues grants; `ended` is set when no period begins by `ends_on` any more."""

    ACTIVE = "active", "Active"
    ENDED = "ended", "Ended"
    CANCELLED = "cancelled", "Cancelled"
