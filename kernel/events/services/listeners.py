"""Which types of events a tenant's endpoints want: kept in one row for each tenant, which posting functions look up."""

from uuid import UUID

from kernel.events.choices import EndpointStatus
from kernel.events.models import Endpoint, Listener


def refresh_listeners(*, tenant_id: UUID) -> None:
    """Write the tenant's listener from its endpoints: call it in the transaction that changed one of them.

    The listener's row is locked before the endpoints are read, so of two changes at once the later one sees both.
    """
    Listener.objects.get_or_create(tenant_id=tenant_id, defaults={"patterns": []})
    listener = Listener.objects.select_for_update(no_key=True).get(tenant_id=tenant_id)
    endpoints = Endpoint.objects.filter(tenant_id=tenant_id).exclude(status=EndpointStatus.DELETED)
    listener.patterns = sorted({pattern for endpoint in endpoints for pattern in endpoint.enabled_events})
    listener.save(update_fields=["patterns"])
