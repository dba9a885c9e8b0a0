"""What is done by the clock does what its command does."""

from datetime import timedelta

from django.utils import timezone
from procrastinate.contrib.django import app

from metering import jobs
from metering.models import Transaction
from metering.services import policies


def test_the_job_closes_what_is_stale(caller):
    caller.create()
    policies.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", stale_after=timedelta(hours=1))
    assert jobs.close_stale(timestamp=0) == 0
    Transaction.objects.update(authorized_at=timezone.now() - timedelta(hours=2))
    assert jobs.close_stale(timestamp=0) == 1
    assert Transaction.objects.get().status == "cancelled"
    assert caller.get(f"/v1/transactions/{Transaction.objects.get().id}/history").json()["history"][-1]["actor"] == f"job:{jobs.NAME}"


def test_the_job_is_known_to_the_worker():
    assert app.tasks[jobs.NAME].queueing_lock == jobs.NAME
