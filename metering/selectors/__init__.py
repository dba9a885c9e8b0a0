"""Reads of the metering ledger. Functions take `tenant_id` by keyword; another tenant's row is not found."""

from metering.selectors.agents import AGENT, get_agent, list_agents
from metering.selectors.costs import get_cost, get_costs, list_costs, list_superseded, total_active
from metering.selectors.facts import PRICING, list_facts, list_first_facts
from metering.selectors.prices import (
    PRICE,
    UNIT_PRICE,
    PriceTerms,
    get_price,
    get_pricing_policy,
    list_price_terms,
    list_prices,
    query_prices,
    with_units,
)
from metering.selectors.rows import RowDict, check_exists, rows_of
from metering.selectors.traces import count_trace_transactions, get_trace, list_first_calls, list_trace_totals, list_traces
from metering.selectors.transactions import (
    get_transaction,
    get_transactions,
    list_services,
    list_stale_limits,
    list_stale_transactions,
    list_status_changes,
    list_transactions,
    service_id_of,
    with_costs,
)

__all__ = [
    "AGENT",
    "PRICE",
    "PRICING",
    "UNIT_PRICE",
    "PriceTerms",
    "RowDict",
    "check_exists",
    "count_trace_transactions",
    "get_agent",
    "get_cost",
    "get_costs",
    "get_price",
    "get_pricing_policy",
    "get_trace",
    "get_transaction",
    "get_transactions",
    "list_agents",
    "list_costs",
    "list_facts",
    "list_first_calls",
    "list_first_facts",
    "list_price_terms",
    "list_prices",
    "list_services",
    "list_stale_limits",
    "list_stale_transactions",
    "list_status_changes",
    "list_superseded",
    "list_trace_totals",
    "list_traces",
    "list_transactions",
    "query_prices",
    "rows_of",
    "service_id_of",
    "total_active",
    "with_costs",
    "with_units",
]
