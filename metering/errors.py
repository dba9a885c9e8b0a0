"""What the metering ledger refuses beyond what every ledger does, and what its constraints mean to a caller."""

from kernel.ledger.database_errors import register_error
from kernel.ledger.errors import Busy, InvalidValue, LedgerError


class WrongStatus(LedgerError):
    """The transaction's status doesn't allow the move. Facts: id, status, wanted."""

    code = "wrong_status"


class NotStale(LedgerError):
    """Not to be closed as stale: authorized for too short a time, or whom a payment of it pays has seen the payment. Facts: id."""

    code = "not_stale"


class NotOpen(LedgerError):
    """Denied and cancelled transactions take no costs and no facts. Facts: id, status."""

    code = "not_open"


class NeedsPerson(LedgerError):
    """A spending rule leaves the decision to a person, and nobody has made it. Facts: id."""

    code = "needs_person"


class MustBeAuthorized(LedgerError):
    """Only an authorized transaction asks for authorization again. Facts: id, status."""

    code = "must_be_authorized"


class PaymentInProgress(LedgerError):
    """An earlier payment of the transaction was presented to whom it pays, or collected. Facts: id, payment_id."""

    code = "payment_in_progress"


class PaymentPresented(LedgerError):
    """A payment of the transaction was presented: whom it pays may still collect it. Facts: payment_id."""

    code = "payment_presented"


class CostOfPayment(LedgerError):
    """The cost to supersede is what a payment holds or took. Facts: id."""

    code = "cost_of_payment"


class CostOfAnother(LedgerError):
    """The cost to supersede belongs to another transaction. Facts: id."""

    code = "cost_of_another"


class AlreadySuperseded(LedgerError):
    """The cost to supersede is superseded already. Facts: id."""

    code = "already_superseded"


class AgentExists(LedgerError):
    """The tenant has an agent of this name. Facts: name."""

    code = "agent_exists"


class PriceExists(LedgerError):
    """A price for the same names begins at the same moment. Facts: none."""

    code = "price_exists"


class KeyNotCounted(LedgerError):
    """The span begins before usage is counted by the key. Facts: key, since."""

    code = "key_not_counted"


class TooManyKeys(LedgerError):
    """A tenant has at most so many declared keys. Facts: max."""

    code = "too_many_keys"


class KeyExists(LedgerError):
    """The key is declared already. Facts: id."""

    code = "key_exists"


register_error("metering_agent_name_key", AgentExists)
register_error("metering_price_valid_from_key", PriceExists)
register_error("metering_price_valid_to_check", InvalidValue, field="valid_to", reason="too_early")
register_error("metering_unitprice_fact_key_key", InvalidValue, field="fact_key", reason="repeated")
register_error("metering_policy_reported_costs_check", InvalidValue, field="reported_costs", reason="unknown_choice")
register_error("metering_policy_time_limits_check", InvalidValue, field="backdating_limit", reason="not_between_0_and_3650_days")
register_error("metering_policy_stale_after_check", InvalidValue, field="stale_after", reason="not_positive")
# Two calls made the same row at once: the other one won, and the same call finds it when it is repeated.
for _constraint in (
    "metering_transaction_idempotency_key_key",
    "metering_fact_idempotency_key_key",
    "metering_cost_idempotency_key_key",
    "metering_statuschange_idempotency_key_key",
    "metering_trace_external_id_key",
    "metering_policy_tenant_key",
    "metering_usagekey_name_key",
    "metering_usagekey_number_key",
):
    register_error(_constraint, Busy)
