"""Postings, and reads for replies, read as many rows in a full ledger as in an empty one, whatever the planner knows of the tables."""

from decimal import Decimal

from kernel.ledger.outcomes import Posted
from metering import selectors, services
from metering.choices import Status
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
    services.record_transactions(tenant_id=TenantFactory().id, actor="command:test", request_id="test", transactions=uses("only")[:1])


def test_a_posting_reads_a_few_rows_however_many_there_are(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"}
    planner_knows(
        *TABLES, first_rows=lambda: services.record_transactions(**context, transactions=uses("first")[:100]), small_tenant=small_tenant
    )
    for batch in range(4):
        before = rows_read(*TABLES)
        recorded = services.record_transactions(**context, transactions=uses(batch))
        assert all(isinstance(one, Posted) for one in recorded)
        # Service and agent, twice where they come into being, and what the foreign keys look at.
        assert (rows_read(*TABLES) - before) / 1000 < 10, f"batch {batch}"
        before = rows_read(*TABLES)
        for use in uses(f"{batch}, each alone")[:20]:
            services.record_transaction(**context, **use)
        assert (rows_read(*TABLES) - before) / 20 < 10, f"alone, after batch {batch}"


def test_arrays_of_any_size_read_a_few_rows_over_each_connection(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"}
    with several_connections() as in_turn:
        # The first connection makes its plans while the tables are empty.
        planner_knows(
            *TABLES,
            first_rows=lambda: in_turn(services.record_transactions, **context, transactions=uses("first")[:10]),
            small_tenant=small_tenant,
        )
        for batch in range(3):
            rows, blocks = rows_read(*TABLES), index_blocks_read(*TABLES)
            for array in arrays_of_each_size(uses(batch)):
                in_turn(services.record_transactions, **context, transactions=array)
            if batch == 0:
                continue  # Each connection discards its first plans only after some postings.
            assert (rows_read(*TABLES) - rows) / 1000 < 10, f"batch {batch}"
            assert (index_blocks_read(*TABLES) - blocks) / 1000 < 40, f"batch {batch}"


def read_reply(tenant_id, transaction_id):
    keys = {"tenant_id": tenant_id, "transaction_id": transaction_id}
    whole = selectors.get_transaction(**keys)
    assert selectors.get_transactions(tenant_id=tenant_id, ids=[transaction_id])[transaction_id]["costs"] == whole["costs"]
    assert selectors.list_costs(**keys) == whole["costs"]
    [estimate, actual] = whole["costs"]
    assert selectors.list_superseded(tenant_id=tenant_id, cost_ids=[actual["id"]])[actual["id"]][0]["id"] == estimate["id"]
    assert selectors.get_cost(tenant_id=tenant_id, cost_id=actual["id"]) == actual
    assert selectors.list_price_terms(tenant_id=tenant_id, transaction_ids=[transaction_id])[transaction_id]["action_name"] == "go"
    assert [change["to_status"] for change in selectors.list_status_changes(**keys)] == [Status.AUTHORIZED]
    return whole


def test_a_reply_reads_a_few_rows_however_many_there_are(planner_knows):
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": "test"}
    tables = (*TABLES, "metering_cost", "metering_statuschange")

    def some_of(recorded):
        """The ids of transactions that have a second cost, which superseded the first."""
        ids = [one.row["id"] for one in recorded[:: len(recorded) // 20]]
        for one in recorded[:: len(recorded) // 20]:
            newer = {"fiat_amount": Decimal("0.02"), "fiat_asset_symbol": "USD", "is_estimate": False}
            services.record_cost(**context, transaction_id=one.row["id"], supersedes_cost_id=one.row["costs"][0]["id"], **newer)
        return ids

    def first_rows():
        for one in some_of(services.record_transactions(**context, transactions=uses("first")[:100])):
            read_reply(context["tenant_id"], one)

    planner_knows(*tables, first_rows=first_rows, small_tenant=small_tenant)
    for batch in range(4):
        ids = some_of(services.record_transactions(**context, transactions=uses(batch)))
        before = rows_read(*tables)
        for one in ids:
            read_reply(context["tenant_id"], one)
        # Four times the transaction with its names, five times its costs, and its change.
        assert (rows_read(*tables) - before) / len(ids) < 40, f"batch {batch}"
