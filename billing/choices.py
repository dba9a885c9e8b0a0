"""The fixed words of the billing book."""

from django.db import models


class Direction(models.TextChoices):
    """What a type's amount does to the wallet: adds its magnitude, takes it, or counts with the sign it has."""

    CREDIT = "credit", "Credit"
    DEBIT = "debit", "Debit"
    SIGNED = "signed", "Signed"


class Flag(models.TextChoices):
    """What a person should look at; the entry itself stands."""

    NEAR_DUPLICATE = "near_duplicate", "Near-duplicate"


class ReversalReason(models.TextChoices):
    """Why an entry was reversed."""

    DUPLICATE = "duplicate", "Charged twice"
    CUSTOMER_REQUEST = "customer_request", "Asked for by the customer"
    SERVICE_FAILURE = "service_failure", "The service was not delivered"
    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    FRAUD = "fraud", "Fraud"
    OTHER = "other", "Other"


# Every tenant's catalogue begins with these: code -> (label, direction). A tenant's own row of the same code comes first.
SHIPPED_TYPES: dict[str, tuple[str, Direction]] = {
    "topup": ("Top-up", Direction.CREDIT),
    "deposit": ("Deposit", Direction.CREDIT),
    "credit": ("Credit", Direction.CREDIT),
    "refund": ("Refund", Direction.CREDIT),
    "bonus": ("Bonus", Direction.CREDIT),
    "revenue": ("Revenue", Direction.CREDIT),
    "usage": ("Usage", Direction.DEBIT),
    "charge": ("Charge", Direction.DEBIT),
    "debit": ("Debit", Direction.DEBIT),
    "purchase": ("Purchase", Direction.DEBIT),
    "subscription": ("Subscription", Direction.DEBIT),
    "fee": ("Fee", Direction.DEBIT),
    "payout": ("Payout", Direction.DEBIT),
    "chargeback": ("Chargeback", Direction.DEBIT),
    "adjustment": ("Adjustment", Direction.SIGNED),
}

# Lengths that an index can hold, whatever the characters are.
TYPE_LENGTH = 128
REFERENCE_LENGTH = 500
AGENT_LENGTH = 500
REASON_LENGTH = 500
BATCH_LIMIT = 1000
# A day: posting looks into every hour that the window reaches. The form of the office and the service both check it.
NEAR_DUPLICATE_LIMIT_SECONDS = 86_400
