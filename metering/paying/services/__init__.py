"""Payments: their end, whom they pay, and what is collected. Payments are placed and captured by the calls of their transactions."""

from metering.paying.services.ending import expire_payments, release_payment
from metering.paying.services.facilitator import Settled, Verified, settle_payment, verify_payment
from metering.paying.services.payees import post_collections, set_payee

__all__ = [
    "Settled",
    "Verified",
    "expire_payments",
    "post_collections",
    "release_payment",
    "set_payee",
    "settle_payment",
    "verify_payment",
]
