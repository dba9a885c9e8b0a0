"""What is done by the clock does what its command does."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from kernel.ledger.identifiers import new_id
from metering import jobs, services
from metering.models import Transaction


def test_the_job_closes_what_is_stale(caller):
    caller.create()
    services.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", stale_after=timedelta(hours=1))
    assert jobs.close_stale(timestamp=0) == 0
    Transaction.objects.update(authorized_at=timezone.now() - timedelta(hours=2))
    assert jobs.close_stale(timestamp=0) == 1
    assert Transaction.objects.get().status == "cancelled"
    assert (
        caller.get(f"/v1/transactions/{Transaction.objects.get().id}/history").json()["history"][-1]["actor"] == f"job:{jobs.CLOSE_STALE}"
    )


def test_the_job_is_known_to_the_worker():
    assert app.tasks[jobs.CLOSE_STALE].queueing_lock == jobs.CLOSE_STALE


@pytest.mark.parametrize(("beyond", "outcome"), [("0", "not_stale"), ("1 microsecond", None)])
def test_a_transaction_is_stale_only_beyond_the_limit(caller, beyond, outcome):
    caller.create()
    item = {"move": {"id": str(new_id()), "to_status": "cancelled", "stale_after": "1 hour"}}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT metering_refuse_amendment(stored, jsonb_populate_record(NULL::metering_amendment, %s),"
            " stored.authorized_at + interval '1 hour' + %s::interval, NULL) FROM metering_transaction stored",
            [json.dumps(item), beyond],
        )
        assert cursor.fetchone() == (outcome,)
