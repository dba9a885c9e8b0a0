"""What billing writes for those who listen: as of the commit, numbered by wallet, and nothing for what wasn't committed."""

import json
from decimal import Decimal

import pytest
from django.db import transaction

from billing import services
from billing.api.serializers import TransactionReply, WalletReply
from billing.selectors import get_transaction, list_wallets
from kernel.events.rendering import body_of
from kernel.events.services.fan_out import fan_out
from kernel.ledger.errors import Insufficient

pytestmark = pytest.mark.django_db


def record(context, amount, reference, *, type="topup", **facts):
    return services.record_transaction(**context, amount=Decimal(amount), type=type, reference_id=reference, **facts).row


def names(events):
    return [(event.type.removeprefix("billing."), event.account, event.sequence) for event in events]


def test_nobody_listens_and_nothing_is_written(context, written):
    record(context, 5, "1")
    assert written() == []


def test_a_transaction_is_an_event_with_the_body_that_a_get_answers(context, tenant, listen, written):
    listen("billing.*")
    row = record(context, "5.10", "1", metadata='{"b": 1.50, "a": "é"}', description="Top-up")
    [event] = written()
    body = json.loads(body_of(event), parse_float=str)
    reply = TransactionReply.render(get_transaction(tenant_id=tenant.id, transaction_id=row.id))
    assert body["data"] == {"object": json.loads(reply, parse_float=str)}
    assert {name: body[name] for name in ("type", "account", "sequence", "apiVersion")} == {
        "type": "billing.transaction.recorded",
        "account": "wallet:USD",
        "sequence": 1,
        "apiVersion": "2026-12",
    }
    assert body["id"] == f"evt_{event.id.hex}"
    assert '"metadata":{"b": 1.50, "a": "é"}' in body_of(event)


def test_batches_and_reversals_are_events_in_the_order_of_the_wallet(context, listen, written):
    listen("billing.*")
    first = record(context, 5, "1")
    items = [{"amount": Decimal(number), "type": "topup", "reference_id": f"b{number}", "currency": None} for number in (1, 2)]
    services.record_transactions(**context, transactions=items)
    services.reverse_transaction(**context, transaction_id=first.id, reason_code="other", reason="")
    assert names(written()) == [
        ("transaction.recorded", "wallet:USD", 1),
        ("transaction.recorded", "wallet:USD", 2),
        ("transaction.recorded", "wallet:USD", 3),
        ("transaction.recorded", "wallet:USD", 4),
        ("transaction.reversed", "wallet:USD", 4),
    ]


def test_only_the_wanted_types_are_written(context, listen, written):
    listen("billing.transaction.reversed", "credits.*")
    first = record(context, 5, "1")
    services.reverse_transaction(**context, transaction_id=first.id, reason_code="other", reason="")
    assert [event.type for event in written()] == ["billing.transaction.reversed"]


def test_a_replay_and_a_rolled_back_posting_write_nothing(context, listen, written):
    listen()
    record(context, 5, "1")
    record(context, 5, "1")
    with pytest.raises(RuntimeError), transaction.atomic():
        record(context, 6, "2")
        raise RuntimeError
    assert names(written()) == [("transaction.recorded", "wallet:USD", 1)]


def test_crossing_the_alert_is_one_event_for_each_crossing_and_direction(context, tenant, listen, written):
    listen("billing.wallet.*")
    record(context, 20, "1")
    services.set_alert(tenant_id=tenant.id, actor="command:test", request_id="", currency="USD", alert_below=Decimal(10))
    for amount, reference in ((5, "2"), (8, "3"), (1, "4")):
        record(context, amount, reference, type="usage")
    record(context, 4, "5")
    record(context, 1, "6")
    record(context, 5, "7", type="usage")
    assert names(written()) == [
        ("wallet.balance_low", "wallet:USD", 3),
        ("wallet.balance_recovered", "wallet:USD", 5),
        ("wallet.balance_low", "wallet:USD", 7),
    ]
    newest = json.loads(body_of(written()[-1]))["data"]["object"]
    [wallet] = list_wallets(tenant_id=tenant.id)
    assert newest == json.loads(WalletReply.render(wallet))


def test_a_refused_debit_is_an_event_at_most_once_a_minute(context, tenant, listen, written):
    listen("billing.transaction.refused")
    record(context, 5, "1")
    services.set_floor(tenant_id=tenant.id, actor="command:test", request_id="", currency="USD", floor=Decimal(0))
    for reference in ("2", "3"):
        with pytest.raises(Insufficient):
            record(context, 6, reference, type="usage")
    [event] = written()
    assert (event.account, event.sequence, event.object_id) == ("wallet:USD", 1, "USD")
    assert json.loads(body_of(event))["data"]["object"]["balance"] == 5


def test_fan_out_stores_the_bodies_and_gives_each_endpoint_what_it_wants(context, tenant, listen, written):
    everything, reversals = listen(), listen("billing.transaction.reversed")
    listen(url="")
    first = record(context, 5, "1")
    services.reverse_transaction(**context, transaction_id=first.id, reason_code="other", reason="")
    bodies = [body_of(event) for event in written()]
    assert fan_out() == 3
    assert fan_out() == 0
    events = written()
    assert [event.body for event in events] == bodies
    assert [event.snapshot for event in events] == [None, None, None]
    assert sorted(event.position for event in events) == [event.position for event in events]
    assert [event.deliveries.filter(endpoint=everything).count() for event in events] == [1, 1, 1]
    assert [event.deliveries.filter(endpoint=reversals).count() for event in events] == [0, 0, 1]
    assert sum(event.deliveries.count() for event in events) == 4
