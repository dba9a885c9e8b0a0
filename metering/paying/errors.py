"""What paying refuses, and what its constraints mean to a caller."""

from kernel.ledger.database_errors import register_error
from kernel.ledger.errors import Busy, InvalidValue, LedgerError


class PaymentClosed(LedgerError):
    """The payment holds no money any more. Facts: id, status."""

    code = "payment_closed"


class PaymentCollected(LedgerError):
    """Whom the payment of a 402 pays collects it, once; its payer captures nothing of it. Facts: id."""

    code = "payment_collected"


class PaymentExceeded(LedgerError):
    """A capture of more than the payment holds. Facts: id, held, requested."""

    code = "payment_exceeded"


class HoldOfPaymentEnded(LedgerError):
    """Somebody ended a hold of the payment by itself, and nothing else covers it. Facts: id."""

    code = "payment_hold_ended"


class PayerUnavailable(LedgerError):
    """The payer can't be enabled: this installation lacks what it needs to pay for the tenant. Facts: payer, reason."""

    code = "payer_unavailable"


class PayToTaken(LedgerError):
    """Another tenant is paid under this name. Facts: pay_to."""

    code = "pay_to_taken"


register_error("paying_payersetting_payer_key", Busy)
register_error("paying_payersetting_limited_check", InvalidValue, field="max_amount", reason="payer_without_limit")
register_error("paying_payersetting_max_check", InvalidValue, field="max_amount", reason="amount_without_currency")
# Two calls paid for the same transaction at once: the other one won, and the same call finds it when it is repeated.
for _constraint in ("paying_payment_prepaid_key", "paying_paymentleg_ordinal_key", "paying_paymentcall_idempotency_key_key"):
    register_error(_constraint, Busy)
