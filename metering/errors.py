"""What the metering ledger refuses beyond what every ledger does, and what its constraints mean to a caller."""

from kernel.ledger.constraints import register_error, register_internal
from kernel.ledger.errors import Busy, InvalidValue, LedgerError


class WrongStatus(LedgerError):
    """The transaction's status doesn't allow the move. Facts: id, status, wanted."""

    code = "wrong_status"


class NotStale(LedgerError):
    """The transaction isn't authorized for as long as it would have to be to be closed. Facts: id."""

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
# Checked before by the fields of the API, or decided by the posting functions alone.
register_internal(
    "metering_service_name_key",
    "metering_agent_status_check",
    "metering_trace_reference_key",
    "metering_transaction_status_check",
    "metering_transaction_completed_check",
    "metering_transaction_denied_check",
    "metering_transaction_cancelled_check",
    "metering_transaction_authorized_check",
    "metering_transaction_service_fkey",
    "metering_transaction_agent_fkey",
    "metering_transaction_trace_fkey",
    "metering_fact_phase_check",
    "metering_fact_pricing_check",
    "metering_fact_transaction_fkey",
    "metering_cost_fiat_amount_finite",
    "metering_cost_fiat_amount_check",
    "metering_cost_fiat_asset_symbol_check",
    "metering_cost_is_active_check",
    "metering_cost_supersedes_check",
    "metering_cost_supersedes_key",
    "metering_cost_transaction_key",
    "metering_cost_transaction_fkey",
    "metering_cost_inferred_from_fkey",
    "metering_cost_supersedes_fkey",
    "metering_cost_superseded_by_fkey",
    "metering_statuschange_to_status_check",
    "metering_statuschange_step_key",
    "metering_statuschange_transaction_fkey",
    "metering_price_currency_check",
    "metering_price_flat_amount_finite",
    "metering_price_minimum_finite",
    "metering_price_amounts_check",
    "metering_price_markup_check",
    "metering_unitprice_tier_mode_check",
    "metering_unitprice_tiers_check",
    "metering_unitprice_amount_finite",
    "metering_unitprice_amount_check",
    "metering_unitprice_per_above_zero",
    "metering_unitprice_per_check",
    "metering_unitprice_price_fkey",
    "metering_rollup_key",
    "metering_rollup_grain_check",
    "metering_rollup_shard_check",
    "metering_rollup_service_fkey",
    "metering_rollup_agent_fkey",
    "metering_usage_transaction_key",
    "metering_usagesum_key",
    "metering_usageprogress_tenant_key",
    "metering_usagekey_number_check",
    "metering_usagekey_place_check",
)
