"""Writes the events about API keys."""

from kernel.api.json import milliseconds
from kernel.events.services.event_writer import write_event
from kernel.tenants.models import ApiKey


def write_key_event(key: ApiKey, change: str) -> None:
    """Write that a key was `created` or `revoked`, if anybody listens; in the transaction of the change. Its secret is in no event."""
    row = ApiKey.objects.get(id=key.id)
    snapshot = {
        "id": str(row.id),
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "expiresAt": row.expires_at and milliseconds(row.expires_at),
        "revokedAt": row.revoked_at and milliseconds(row.revoked_at),
        "createdAt": milliseconds(row.created_at),
    }
    write_event(tenant_id=row.tenant_id, type=f"api_key.{change}", object_id=str(row.id), snapshot=snapshot)
