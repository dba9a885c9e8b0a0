"""A posting reads as many rows in a full ledger as in an empty one, whatever the planner knows of the tables."""

from decimal import Decimal

from billing import services
from tests.factories import TenantFactory
from tests.rows_read import arrays_of_each_size, index_blocks_read, rows_read, several_connections

TABLES = ("billing_transaction", "billing_wallet", "billing_transactiontype")


def lines(batch):
    return [
        {"amount": Decimal(number % 7), "type": "usage", "reference_id": f"{batch}-{number}", "agent_id": f"{batch}-{number}"}
        for number in range(1000)
    ]


def small_tenant():
    services.record_transactions(tenant_id=TenantFactory().id, actor="command:test", request_id="", transactions=lines("only")[:1])


def test_a_posting_reads_a_few_rows_however_many_there_are(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}
    planner_knows(
        *TABLES, first_rows=lambda: services.record_transactions(**context, transactions=lines("first")[:100]), small_tenant=small_tenant
    )
    for batch in range(4):
        before = rows_read("billing_transaction")
        services.record_transactions(**context, transactions=lines(batch))
        # The entry itself, to answer with it, and what its foreign keys look at.
        assert (rows_read("billing_transaction") - before) / 1000 < 5, f"batch {batch}"


def test_arrays_of_any_size_read_a_few_rows_over_each_connection(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}
    with several_connections() as in_turn:
        # The first connection makes its plans while the tables are empty.
        planner_knows(
            *TABLES,
            first_rows=lambda: in_turn(services.record_transactions, **context, transactions=lines("first")[:10]),
            small_tenant=small_tenant,
        )
        for batch in range(3):
            rows, blocks = rows_read(*TABLES), index_blocks_read(*TABLES)
            for array in arrays_of_each_size(lines(batch)):
                in_turn(services.record_transactions, **context, transactions=array)
            # The entry itself, its wallet and type, and what its foreign keys look at.
            if batch == 0:
                continue  # Each connection discards its first plans only after some postings.
            assert (rows_read(*TABLES) - rows) / 1000 < 7, f"batch {batch}"
            assert (index_blocks_read(*TABLES) - blocks) / 1000 < 40, f"batch {batch}"
