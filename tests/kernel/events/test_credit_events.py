"""What credits writes for those who listen: grants, transactions, holds, balances that get low, and grants that expire soon."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command

from credits import selectors, services
from credits.api.dialect import without_blanks
from credits.api.serializers.grants import GrantReply, to_grant_reply
from credits.api.serializers.holds import HoldReply
from credits.api.serializers.transactions import TransactionReply
from kernel.events.rendering import body_of

pytestmark = pytest.mark.django_db
CUSTOMER = "customer-1"


def grant(context, amount=10, **facts):
    values = {"customer_id": CUSTOMER, "name": "Credit", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(amount), **facts}
    return services.create_grant(**context, **values).row


def debit(context, of, amount, **facts):
    return services.record_transaction(**context, grant_id=of.id, type="DEBIT", amount=Decimal(amount), **facts).row


def names(events):
    return [(event.type.removeprefix("credits."), event.sequence) for event in events]


def object_of(event):
    return json.loads(body_of(event))["data"]["object"]


def test_nobody_listens_and_nothing_is_written(context, written):
    debit(context, grant(context), 10)
    assert written() == []


def test_a_grant_is_created_drawn_on_and_depleted(context, tenant, listen, written):
    listen("credits.*")
    made = grant(context)
    first = debit(context, made, 4)
    debit(context, made, 6)
    assert names(written()) == [("grant.created", 1), ("transaction.posted", 2), ("transaction.posted", 3), ("grant.depleted", 3)]
    assert {event.account for event in written()} == {f"grant:{made.id}"}
    posted = selectors.get_transaction(tenant_id=tenant.id, transaction_id=first.id)
    assert object_of(written()[1]) == json.loads(TransactionReply.render(without_blanks(posted)))
    row = selectors.get_grant(tenant_id=tenant.id, grant_id=made.id)
    assert object_of(written()[3]) == json.loads(GrantReply.render(to_grant_reply(row)))
    assert object_of(written()[0])["currentBalance"] == "10"


def test_a_batch_and_a_consumption_write_one_event_for_each_transaction(context, listen, written):
    listen("credits.transaction.posted")
    first, second = grant(context, 20), grant(context, 5)
    items = [{"grant_id": first.id, "type": "DEBIT", "amount": Decimal(1)} for _ in range(8)]
    services.record_transactions(**context, transactions=items)
    services.consume(**context, customer_id=CUSTOMER, amount=Decimal(15), currency="USD")
    assert [event.sequence for event in written() if event.account == f"grant:{first.id}"] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert [event.sequence for event in written() if event.account == f"grant:{second.id}"] == [2]


def test_a_void_is_an_event_also_when_nothing_is_left(context, listen, written):
    listen("credits.grant.voided")
    first, second = grant(context), grant(context)
    debit(context, second, 10)
    for each in (first, second):
        services.void_grant(**context, grant_id=each.id, reason="mistake")
    assert {(event.account, event.sequence) for event in written()} == {(f"grant:{first.id}", 2), (f"grant:{second.id}", 2)}
    assert {object_of(event)["status"] for event in written()} == {"voided"}


def test_the_parts_of_a_holds_life_are_events_of_the_customer(context, tenant, listen, written):
    listen("credits.hold.*")
    grant(context)
    until = datetime.now(UTC) + timedelta(hours=1)
    holds = [
        services.place_hold(**context, customer_id=CUSTOMER, amount=Decimal(2), currency="USD", expires_at=until, idempotency_key=key).row
        for key in ("1", "2")
    ]
    services.capture_hold(**context, customer_id=CUSTOMER, hold_id=holds[0].id, amount=Decimal(1))
    services.release_hold(**context, customer_id=CUSTOMER, hold_id=holds[1].id, reason="")
    assert [event.type for event in written()] == [f"credits.hold.{name}" for name in ("placed", "placed", "captured", "released")]
    assert {event.account for event in written()} == {f"customer:{CUSTOMER}"}
    [hold] = selectors.with_lines([selectors.get_hold(tenant_id=tenant.id, customer_id=CUSTOMER, hold_id=holds[0].id)])
    assert object_of(written()[2]) == json.loads(HoldReply.render(without_blanks(hold)))


def test_a_balance_gets_low_once_for_each_crossing_over_all_grants_of_the_unit(context, tenant, listen, written):
    listen("credits.balance.*")
    first, second = grant(context, 10), grant(context, 10)
    settings = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
    services.set_balance_alert(**settings, customer_id=CUSTOMER, currency="USD", alert_below=Decimal(12))
    debit(context, first, 5)
    debit(context, second, 5)
    debit(context, second, 1)
    grant(context, 10)
    services.consume(**context, customer_id=CUSTOMER, amount=Decimal(15), currency="USD")
    assert [(event.type, object_of(event)["balance"], event.account) for event in written()] == [
        ("credits.balance.low", "10", "customer:customer-1"),
        ("credits.balance.recovered", "19", "customer:customer-1"),
        ("credits.balance.low", "4", "customer:customer-1"),
    ]


@pytest.mark.parametrize("expiry_first", [True, False])
def test_what_rolls_over_brings_a_balance_back_whichever_job_comes_first(context, tenant, listen, written, expiry_first):
    listen("credits.balance.*")
    unit = {"unit_type": "CURRENCY", "currency": "USD"}
    with time_machine.travel(datetime(2026, 1, 15, 12, tzinfo=UTC), tick=False) as clock:
        services.create_recurring_grant(
            **context, **unit, customer_id=CUSTOMER, name="Allowance", amount=Decimal(10), rollover_cap=Decimal(10)
        )
        settings = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
        services.set_balance_alert(**settings, customer_id=CUSTOMER, currency="USD", alert_below=Decimal(15))
        clock.move_to(datetime(2026, 2, 15, 12, tzinfo=UTC))
        if expiry_first:
            call_command("expire_credits", verbosity=0)
        call_command("issue_recurring_credits", verbosity=0)
    assert [(event.type, object_of(event)["balance"]) for event in written()] == [("credits.balance.recovered", "20")]


def test_grants_that_expire_soon_are_announced_once(context, tenant, listen, written):
    listen("credits.grant.expiring", "credits.grant.expired")
    today = datetime.now(UTC).date()
    soon = grant(context, expiry_date=today + timedelta(days=3))
    grant(context, expiry_date=today + timedelta(days=30))
    assert sum(services.announce_expiring_grants()) == 1
    assert sum(services.announce_expiring_grants()) == 0
    services.set_policy(tenant_id=tenant.id, actor="command:test", request_id="", expiring_days=31)
    assert sum(services.announce_expiring_grants()) == 1
    assert f"grant:{soon.id}" in {event.account for event in written()}
    with time_machine.travel(datetime.now(UTC) + timedelta(days=5)):
        for _ in services.expire_grants(actor="job:test", request_id="r-2"):
            pass
    [expired] = written("credits.grant.expired")
    assert (expired.account, object_of(expired)["status"]) == (f"grant:{soon.id}", "expired")
