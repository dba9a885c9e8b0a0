import pytest
from django.db import transaction

from kernel.events.models import Endpoint, Event
from kernel.events.services.listeners import refresh_listeners
from tests.factories import TenantFactory


@pytest.fixture
def tenant(db):
    return TenantFactory()


@pytest.fixture
def context(tenant):
    return {"tenant_id": tenant.id, "actor": "command:test", "request_id": "r-1"}


@pytest.fixture
def listen(tenant):
    """Makes an endpoint of the tenant that wants these events; further values are columns of Endpoint."""

    def listen(*patterns, **columns):
        values = {"url": "https://hooks.example.com/in", "created_by": "command:test", **columns}
        with transaction.atomic():
            endpoint = Endpoint.objects.create(tenant_id=tenant.id, enabled_events=list(patterns) or ["*"], **values)
            refresh_listeners(tenant_id=tenant.id)
        endpoint.refresh_from_db()
        return endpoint

    return listen


@pytest.fixture
def written(tenant):
    """The tenant's events in the order in which they happened: account, sequence, id."""

    def written(*names):
        rows = Event.objects.filter(tenant_id=tenant.id).order_by("account", "sequence", "id")
        return [row for row in rows if not names or row.type in names]

    return written
