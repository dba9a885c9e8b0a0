"""The fixed values of payments, as callers read them."""

from django.db.models import TextChoices


class PaymentKind(TextChoices):
    """What asks for a payment: the estimates of a call, where its tenant holds them, or the challenge of a resource that answered 402."""

    PREPAID = "prepaid"
    X402 = "x402"


# The payer that pays from the ledgers.
LEDGER = "ledger"


class PaymentStatus(TextChoices):
    """`authorized` holds money, and so does `presented`: whom it pays has seen it and may still collect it.

    Of what is over, `cancelled` gave way to the payment of another challenge, and `failed` took nothing though something was due.
    """

    AUTHORIZED = "authorized"
    PRESENTED = "presented"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


# While a payment has one of these, it holds money.
OPEN_STATUSES = (PaymentStatus.AUTHORIZED, PaymentStatus.PRESENTED)


class LegKind(TextChoices):
    """Which money a part of a payment is."""

    CREDITS = "credits"
    WALLET = "wallet"


class CallKind(TextChoices):
    """What a call that is about one payment does to it."""

    CAPTURED = "captured"
    EXTENDED = "extended"
    RELEASED = "released"


# The unique constraints by which two calls with the same money find out about each other: the one that lost makes the call again.
RETRYABLE_MONEY_CONSTRAINTS = frozenset(
    {
        "billing_transaction_reference_key",
        "billing_transaction_type_fkey",
        "billing_transactiontype_direction_key",
        "billing_wallethold_reference_key",
        "billing_wallethold_entry_reference_key",
        "credits_hold_idempotency",
        "credits_consumption_idempotency",
        "credits_holdcall_idempotency",
        "paying_paymentcall_idempotency_key_key",
    }
)
