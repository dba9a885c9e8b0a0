"""Reading correction requests."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import QuerySet

from kernel.corrections.choices import State
from kernel.corrections.errors import SeveralTenants
from kernel.corrections.models import CorrectionEntry, CorrectionLine, CorrectionRequest, CorrectionThreshold
from kernel.ledger.errors import NotFound


def get_request(*, tenant_id: UUID, correction_id: UUID) -> CorrectionRequest:
    """The tenant's correction request with this id. Raises NotFound."""
    request = CorrectionRequest.objects.filter(tenant_id=tenant_id, id=correction_id).first()
    if request is None:
        raise NotFound(kind="correction", id=correction_id)
    return request


def list_entries(request: CorrectionRequest, *, version: int) -> QuerySet[CorrectionEntry]:
    """The entries of one version of the request's preview, or of what it posted."""
    rows = CorrectionEntry.objects.filter(tenant_id=request.tenant_id, request_id=request.id, version=version)
    return rows.order_by("position")


def list_requests_for(*, tenant_id: UUID, target_ids: Iterable[UUID]) -> QuerySet[CorrectionRequest]:
    """The requests that correct one of these rows, in any state; newest first."""
    lines = CorrectionLine.objects.filter(tenant_id=tenant_id, target_id__in=list(target_ids))
    return CorrectionRequest.objects.filter(tenant_id=tenant_id, id__in=lines.values("request_id")).order_by("-id")


def list_waiting_requests() -> QuerySet[CorrectionRequest]:
    return CorrectionRequest.objects.filter(state=State.WAITING)


def is_within_threshold(*, tenant_id: UUID, size: Mapping[str, Decimal]) -> bool:
    """Whether this much may be posted without a second person: every unit is at or below its threshold. An amount of 0 always is."""
    thresholds: dict[str, Decimal] = dict(
        CorrectionThreshold.objects.filter(tenant_id=tenant_id, unit__in=list(size)).values_list("unit", "amount")
    )
    return all(amount == 0 or (unit in thresholds and amount <= thresholds[unit]) for unit, amount in size.items())


def get_common_tenant(*, label: str, target_ids: Iterable[UUID]) -> UUID:
    """The one tenant that all these rows belong to. Raises SeveralTenants, also when one of the rows doesn't exist."""
    wanted = set(target_ids)
    rows: list[Any] = list(apps.get_model(label)._base_manager.filter(pk__in=wanted).values_list("pk", "tenant_id"))
    tenants: set[UUID] = {tenant_id for _, tenant_id in rows}
    if len(tenants) != 1 or len(rows) != len(wanted):
        raise SeveralTenants
    return tenants.pop()
