"""An import writes no events, unless its plan says so: a year of past entries is no news."""

import pytest

from kernel.backfills.models import BackfillRun
from kernel.events.models import Endpoint, Event
from kernel.events.services.listeners import refresh_listeners
from tests.backfills.conftest import bring, call, tenant, write  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
COMMAND = "backfill_billing_transactions"


@pytest.mark.parametrize(("options", "recorded", "reversed"), [((), 0, 0), (("--with-events",), 6, 3)])
def test_an_import_writes_events_only_where_its_plan_says_so(tenant, call, bring, write, options, recorded, reversed):  # noqa: F811
    Endpoint.objects.create(tenant_id=tenant.id, enabled_events=["billing.transaction.*"], created_by="command:test")
    refresh_listeners(tenant_id=tenant.id)
    rows = [{"reference_id": str(number), "type": "topup", "amount": "10", "occurred_at": "2026-01-01T00:00:00Z"} for number in range(3)]
    run = bring(COMMAND, write(rows), *options)
    call(COMMAND, "--undo", run.id)
    assert BackfillRun.objects.get().state == "undone"
    counts = {name: Event.objects.filter(type=f"billing.transaction.{name}").count() for name in ("recorded", "reversed")}
    assert counts == {"recorded": recorded, "reversed": reversed}
