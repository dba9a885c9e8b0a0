"""What writing events costs a tenant that has no endpoint, and what a long transaction does to the list: nothing."""

import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction

from billing import services as billing
from credits import services as credits
from kernel.events.models import Event
from kernel.events.selectors.events import list_events
from kernel.events.services.event_writer import write_event
from kernel.events.services.fan_out import fan_out
from metering.services import record_transaction
from tests.rows_read import rows_read

pytestmark = pytest.mark.django_db(transaction=True)
TABLES = ("events_listener", "events_endpoint", "events_event", "events_delivery", "backfills_run")


def post_everywhere(context, number):
    billing.record_transaction(**context, amount=Decimal(5), type="topup", reference_id=str(number))
    grant = {"customer_id": "c", "name": "n", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(5)}
    made = credits.create_grant(**context, **grant)
    items = [{"grant_id": made.row.id, "type": "DEBIT", "amount": Decimal("0.1")} for _ in range(8)]
    credits.record_transactions(**context, transactions=items)
    record_transaction(**context, service_name="s", action_name="a", resource_name="r")


def test_a_tenant_without_an_endpoint_reads_and_writes_no_row_for_events(context):
    post_everywhere(context, 0)
    before = rows_read(*TABLES)
    for number in range(1, 6):
        post_everywhere(context, number)
    assert rows_read(*TABLES) == before
    assert not Event.objects.exists()


def test_the_list_neither_waits_for_an_open_transaction_nor_skips_what_it_commits(tenant, listen):
    listen(url="")
    is_written, may_commit = threading.Event(), threading.Event()

    def write(number):
        write_event(tenant_id=tenant.id, type="webhook.test", snapshot={"n": number})

    def write_slowly():
        with transaction.atomic():
            write(1)
            is_written.set()
            may_commit.wait(10)
        connection.close()

    slow = threading.Thread(target=write_slowly)
    slow.start()
    is_written.wait(10)
    write(2)
    fan_out()
    [first] = list_events(tenant_id=tenant.id)
    may_commit.set()
    slow.join()
    fan_out()
    [late] = list_events(tenant_id=tenant.id).filter(position__gt=first.position)
    assert late.id < first.id
