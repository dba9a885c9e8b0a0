"""A posting reads as many rows in a full book as in an empty one, whatever the planner knows of the tables."""

from decimal import Decimal

from billing import services
from tests.factories import TenantFactory
from tests.rows_read import rows_read

TABLES = ("billing_transaction", "billing_wallet", "billing_transactiontype")


def lines(batch):
    return [
        {"amount": Decimal(number % 7), "type": "usage", "reference_id": f"{batch}-{number}", "agent_id": f"{batch}-{number}"}
        for number in range(1000)
    ]


def test_a_posting_reads_a_few_rows_however_many_there_are(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test"}
    planner_knows(*TABLES, first_rows=lambda: services.record_transactions(**context, transactions=lines("first")[:100]))
    for batch in range(4):
        before = rows_read("billing_transaction")
        services.record_transactions(**context, transactions=lines(batch))
        # The entry itself, to answer with it, and what its foreign keys look at.
        assert (rows_read("billing_transaction") - before) / 1000 < 5, f"batch {batch}"
