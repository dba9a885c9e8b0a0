"""What metering writes for those who listen: each status of a transaction, and its costs."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from kernel.events.rendering import body_of
from metering import selectors, services
from metering.api.serializers.replies import CostReply, TransactionReply

pytestmark = pytest.mark.django_db
COST = {"fiat_amount": Decimal("0.5"), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": '{"b": 1.50, "a": 2}'}
FACTS = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt", "agent_name": "bot", "customer_id": "customer-1"}


@pytest.fixture
def create(context):
    return lambda **facts: services.record_transaction(**context, **FACTS, **facts).row


def names(events):
    return [event.type.removeprefix("metering.") for event in events]


def data_of(event):
    return json.loads(body_of(event))["data"]


def as_sent(reply, row):
    return json.loads(reply.render(row))


def test_nobody_listens_and_nothing_is_written(create, written):
    create(costs=[COST])
    assert written() == []


def test_a_transaction_and_its_cost_are_events_with_the_bodies_that_a_get_answers(create, tenant, listen, written):
    listen("metering.*")
    made = create(costs=[COST], metadata='{"z": 1.10, "a": null}')
    assert names(written()) == ["transaction.authorized", "cost.recorded"]
    assert {event.account for event in written()} == {f"transaction:{made['id']}"}
    row = selectors.get_transaction(tenant_id=tenant.id, transaction_id=made["id"])
    authorized, recorded = written()
    assert data_of(authorized) == {"object": as_sent(TransactionReply, row)}
    assert '"metadata":{"z": 1.10, "a": null}' in body_of(authorized)
    assert data_of(recorded) == {"object": as_sent(CostReply, row["costs"][0])}


def test_completion_and_a_better_cost_are_events_in_the_order_of_the_changes(create, context, tenant, listen, written):
    listen("metering.*")
    made = create(costs=[COST])
    its = {**context, "transaction_id": made["id"]}
    better = {"fiat_amount": Decimal("0.4"), "fiat_asset_symbol": "USD", "is_estimate": False}
    services.record_cost(**its, **better, supersedes_cost_id=made["costs"][0]["id"])
    services.complete_transaction(**its, outcome="success")
    assert names(written()) == [
        "transaction.authorized",
        "cost.recorded",
        "cost.recorded",
        "cost.superseded",
        "transaction.completed",
    ]
    row = selectors.get_transaction(tenant_id=tenant.id, transaction_id=made["id"])
    assert data_of(written()[3]) == {"object": as_sent(CostReply, row["costs"][1]), "previous": as_sent(CostReply, row["costs"][0])}
    assert data_of(written()[4]) == {"object": as_sent(TransactionReply, row)}


def test_waiting_denied_cancelled_and_stale_are_events(create, context, tenant, listen, written):
    listen("metering.transaction.*")
    stale = create()
    services.set_policy(**context, stale_after=timedelta(microseconds=1))
    services.close_stale_transactions(actor="job:test", request_id="r-2", tenant_id=tenant.id)
    services.set_policy(**context, stale_after=None, authorizes_at_once=False)
    waiting = create()
    its = {**context, "transaction_id": waiting["id"]}
    services.prepare_transaction(**its)
    services.deny_transaction(**its, reason="too dear")
    cancelled = create()
    services.cancel_transaction(**context, transaction_id=cancelled["id"])
    by_account = {
        row["id"]: names([event for event in written() if event.object_id == str(row["id"])]) for row in (stale, waiting, cancelled)
    }
    assert by_account == {
        stale["id"]: ["transaction.authorized", "transaction.cancelled", "transaction.stale"],
        waiting["id"]: ["transaction.waiting", "transaction.waiting", "transaction.denied"],
        cancelled["id"]: ["transaction.waiting", "transaction.cancelled"],
    }


def test_an_array_writes_the_events_of_what_it_recorded(context, create, listen, written):
    create(idempotency_key="1")
    listen("metering.transaction.*")
    items = [{**FACTS, "idempotency_key": key} for key in ("1", "2", "3")]
    services.record_transactions(**context, transactions=items)
    assert names(written()) == ["transaction.authorized", "transaction.authorized"]
