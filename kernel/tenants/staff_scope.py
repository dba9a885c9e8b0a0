"""The tenants that a member of staff may see, and the time zone in which they read times."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet

from kernel.tenants.models import StaffProfile, StaffTenant, Tenant

UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class VisibleTenants:
    """The tenants and the time zone of one user. `tenant_ids` None: all tenants."""

    tenant_ids: frozenset[UUID] | None = None
    zone: ZoneInfo = UTC_ZONE

    def covers(self, tenant_id: UUID) -> bool:
        return self.tenant_ids is None or tenant_id in self.tenant_ids

    def has_several(self) -> bool:
        """Whether there may be more than one tenant to choose from."""
        return self.tenant_ids is None or len(self.tenant_ids) > 1

    def limit(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of these tenants. Rows of tables that belong to no tenant are not filtered."""
        path = tenant_path(rows.model)
        if self.tenant_ids is None or path is None:
            return rows
        return rows.filter(**{f"{path}__in": self.tenant_ids})


def query_tenant_ids(scope: VisibleTenants) -> QuerySet[Any]:
    """The ids of the tenants, for a query of their rows: it must name them, because every index begins with the tenant."""
    return scope.limit(Tenant.objects.all()).order_by().values("id")


def tenant_path(model: type[Model]) -> str | None:
    """The column that holds a row's tenant; None for a table that belongs to no tenant."""
    if model is Tenant:
        return "id"
    try:
        return str(model._meta.get_field("tenant").attname)  # type: ignore[union-attr]
    except FieldDoesNotExist:
        return None


def scope_of(user: Any) -> VisibleTenants:
    """The user's scope, cached on the user object, which exists for one request."""
    if not hasattr(user, "_scope"):
        user._scope = _load(user)
    scope: VisibleTenants = user._scope
    return scope


def _load(user: Any) -> VisibleTenants:
    profile = StaffProfile.objects.filter(user_id=user.pk).first()
    zone = UTC_ZONE if profile is None else ZoneInfo(profile.time_zone)
    if user.is_superuser or (profile is not None and profile.sees_all_tenants):
        return VisibleTenants(zone=zone)
    if profile is None:
        # Nobody has said yet what this person may see.
        return VisibleTenants(tenant_ids=frozenset(), zone=zone)
    return VisibleTenants(tenant_ids=frozenset(StaffTenant.objects.filter(profile=profile).values_list("tenant_id", flat=True)), zone=zone)
