"""A posting reads as many rows in a full ledger as in an empty one, whatever the planner knows of the tables."""

from decimal import Decimal

from metering.services import transactions
from tests.factories import TenantFactory
from tests.rows_read import arrays_of_each_size, index_blocks_read, rows_read, several_connections

TABLES = ("metering_transaction", "metering_trace", "metering_agent", "metering_service")
COST = {"fiat_amount": Decimal("0.01"), "fiat_asset_symbol": "USD", "is_estimate": True}


def uses(batch):
    return [
        {"service_name": f"s{number % 9}", "agent_name": f"a{number % 40}", "action_name": "go", "resource_name": "r", "costs": [COST]}
        | {"idempotency_key": f"{batch}-{number}"}
        for number in range(1000)
    ]


def small_tenant():
    transactions.record_transactions(tenant_id=TenantFactory().id, actor="command:test", request_id="test", transactions=uses("only")[:1])


def test_a_posting_reads_a_few_rows_however_many_there_are(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"}
    planner_knows(
        *TABLES, first_rows=lambda: transactions.record_transactions(**context, transactions=uses("first")[:100]), small_tenant=small_tenant
    )
    for batch in range(4):
        before = rows_read(*TABLES)
        recorded = transactions.record_transactions(**context, transactions=uses(batch))
        assert all(one.error is None for one in recorded)
        # Service and agent, twice where they come into being, and what the foreign keys look at.
        assert (rows_read(*TABLES) - before) / 1000 < 10, f"batch {batch}"
        before = rows_read(*TABLES)
        for use in uses(f"{batch}, each alone")[:20]:
            transactions.record_transaction(**context, **use)
        assert (rows_read(*TABLES) - before) / 20 < 10, f"alone, after batch {batch}"


def test_arrays_of_any_size_read_a_few_rows_over_each_connection(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"}
    with several_connections() as in_turn:
        # The first connection makes its plans while the tables are empty.
        planner_knows(
            *TABLES,
            first_rows=lambda: in_turn(transactions.record_transactions, **context, transactions=uses("first")[:10]),
            small_tenant=small_tenant,
        )
        for batch in range(3):
            rows, blocks = rows_read(*TABLES), index_blocks_read(*TABLES)
            for array in arrays_of_each_size(uses(batch)):
                in_turn(transactions.record_transactions, **context, transactions=array)
            if batch == 0:
                continue  # Each connection discards its first plans only after some postings.
            assert (rows_read(*TABLES) - rows) / 1000 < 10, f"batch {batch}"
            assert (index_blocks_read(*TABLES) - blocks) / 1000 < 40, f"batch {batch}"
