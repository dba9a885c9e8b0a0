"""Reading tenants and keys."""

from uuid import UUID

from kernel.tenants.errors import TenantNotFound
from kernel.tenants.models import ApiKey, Tenant


def get_tenant(*, tenant: str | UUID) -> Tenant:
    """The tenant with this id or slug. Raises TenantNotFound."""
    try:
        return Tenant.objects.get(id=UUID(str(tenant)))
    except ValueError:
        found = Tenant.objects.filter(slug=tenant).first()
    except Tenant.DoesNotExist:
        found = None
    if found is None:
        raise TenantNotFound(tenant=str(tenant))
    return found


def find_key(*, prefix: str) -> ApiKey | None:
    """The key whose public part is `prefix`, with its tenant; revoked and expired ones too."""
    return ApiKey.objects.select_related("tenant").filter(prefix=prefix).first()


def find_child(*, parent_id: UUID, tenant_id: str) -> Tenant | None:
    """The active child tenant with this id; None also for the child of another tenant."""
    try:
        return Tenant.objects.filter(parent_id=parent_id, id=UUID(tenant_id), is_active=True).first()
    except ValueError:
        return None
