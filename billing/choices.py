"""Enumerations, shipped types and limits of the billing ledger."""

from django.db import models

from kernel.ledger.identifiers import code_in_words


class Direction(models.TextChoices):
    """What a type's amount does to the wallet: adds to it, takes from it, or counts with its own sign."""

    CREDIT = "credit", "Credit"
    DEBIT = "debit", "Debit"
    SIGNED = "signed", "Signed"


class Flag(models.TextChoices):
    """Why a person should look at an entry, which stays as it is."""

    NEAR_DUPLICATE = "near_duplicate", "Near-duplicate"


class ReversalReason(models.TextChoices):
    """Why an entry was reversed."""

    DUPLICATE = "duplicate", "Recorded twice"
    CUSTOMER_REQUEST = "customer_request", "Asked for by the customer"
    SERVICE_FAILURE = "service_failure", "The service was not delivered"
    WRONG_AMOUNT = "wrong_amount", "Wrong amount"
    FRAUD = "fraud", "Fraud"
    OTHER = "other", "Other"


class HoldEntryKind(models.TextChoices):
    """What changed a hold."""

    PLACED = "placed", "Placed"
    CAPTURED = "captured", "Captured"
    EXTENDED = "extended", "Extended"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


# The type of a wallet's corrections.
ADJUSTMENT = "adjustment"
# The types of every tenant: code -> (label, direction). A tenant's own row of the same code replaces it.
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
    ADJUSTMENT: ("Adjustment", Direction.SIGNED),
}


def type_in_words(code: str) -> str:
    """`Top-up` of `topup`: the label of a shipped type, and the words of any other code."""
    return SHIPPED_TYPES[code][0] if code in SHIPPED_TYPES else code_in_words(code)


# Two entries alike within this time are flagged, where the tenant's policy doesn't say otherwise: billing_near_duplicate_reach has it too.
NEAR_DUPLICATE_SECONDS = 60
# Longest texts, in characters: an index entry holds them even if every character takes four bytes.
TYPE_LENGTH = 128
REFERENCE_LENGTH = 500
AGENT_LENGTH = 500
REASON_LENGTH = 500
# A day: posting looks into every hour that the window reaches. The admin form and the service both check it.
NEAR_DUPLICATE_LIMIT_SECONDS = 86_400
