"""Payments: captures in parts, their end, whom they pay, and what is collected. The calls of their transactions place and capture them."""

from metering.paying.services.calls import capture_payment, extend_payment
from metering.paying.services.ending import expire_payments, release_payment
from metering.paying.services.facilitator import Settled, Verified, settle_payment, verify_payment
from metering.paying.services.payees import post_collections, set_payee
from metering.paying.services.payers import set_payer

__all__ = [
    "Settled",
    "Verified",
    "capture_payment",
    "expire_payments",
    "extend_payment",
    "post_collections",
    "release_payment",
    "set_payee",
    "set_payer",
    "settle_payment",
    "verify_payment",
]
