"""Every write of the metering ledger. Postings and amendments call the posting functions of `metering/sql`; agents, prices and policies
are written through their models."""

from metering.services.agents import create_agent, update_agent
from metering.services.costs import record_cost, record_costs
from metering.services.facts import record_fact, record_facts
from metering.services.imported import encode_import, import_digest, record_imported_many, reverse_run
from metering.services.imported_lifecycle import later_of
from metering.services.lifecycle import (
    authorize_transaction,
    cancel_transaction,
    close_stale_transactions,
    complete_transaction,
    complete_transactions,
    deny_transaction,
    prepare_transaction,
)
from metering.services.naming import with_names
from metering.services.person_decisions import decide_waiting
from metering.services.prices import begin_price, end_price, parse_unit, set_price
from metering.services.quotes import quote_call
from metering.services.reauthorization import ChallengeFacts, reauthorize_transaction, record_and_pay
from metering.services.rebuild import rebuild_rollups
from metering.services.repricing import RepricingReport, reprice_transactions, undo_repricing
from metering.services.settings import UNCHANGED, set_policy
from metering.services.transactions import record_transaction, record_transactions
from metering.services.trial_decisions import evaluate_create
from metering.services.usage_counting import COUNT_TIMEOUT_SECONDS, count_all_usage, count_usage, recount_usage
from metering.services.usage_keys import MAX_KEYS, backfill_keys, declare_key, withdraw_key

__all__ = [
    "COUNT_TIMEOUT_SECONDS",
    "MAX_KEYS",
    "UNCHANGED",
    "ChallengeFacts",
    "RepricingReport",
    "authorize_transaction",
    "backfill_keys",
    "begin_price",
    "cancel_transaction",
    "close_stale_transactions",
    "complete_transaction",
    "complete_transactions",
    "count_all_usage",
    "count_usage",
    "create_agent",
    "decide_waiting",
    "declare_key",
    "deny_transaction",
    "encode_import",
    "end_price",
    "evaluate_create",
    "import_digest",
    "later_of",
    "parse_unit",
    "prepare_transaction",
    "quote_call",
    "reauthorize_transaction",
    "rebuild_rollups",
    "record_and_pay",
    "record_cost",
    "record_costs",
    "record_fact",
    "record_facts",
    "record_imported_many",
    "record_transaction",
    "record_transactions",
    "recount_usage",
    "reprice_transactions",
    "reverse_run",
    "set_policy",
    "set_price",
    "undo_repricing",
    "update_agent",
    "with_names",
    "withdraw_key",
]
