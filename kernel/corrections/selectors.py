"""Reading requests."""

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
    """Raises NotFound."""
    found = CorrectionRequest.objects.filter(tenant_id=tenant_id, id=correction_id).first()
    if found is None:
        raise NotFound(kind="correction", id=correction_id)
    return found


def entries_of(request: CorrectionRequest, *, version: int) -> QuerySet[CorrectionEntry]:
    rows = CorrectionEntry.objects.filter(tenant_id=request.tenant_id, request_id=request.id, version=version)
    return rows.order_by("position")


def requests_about(*, tenant_id: UUID, target_ids: Iterable[UUID]) -> QuerySet[CorrectionRequest]:
    """The requests that would correct, or did, one of these rows; newest first."""
    lines = CorrectionLine.objects.filter(tenant_id=tenant_id, target_id__in=list(target_ids))
    return CorrectionRequest.objects.filter(tenant_id=tenant_id, id__in=lines.values("request_id")).order_by("-id")


def waiting_requests() -> QuerySet[CorrectionRequest]:
    return CorrectionRequest.objects.filter(state=State.WAITING)


def is_within_threshold(*, tenant_id: UUID, size: Mapping[str, Decimal]) -> bool:
    """Whether so much may be posted without another person: every unit at or below its threshold; moving nothing may."""
    rows: dict[str, Decimal] = dict(
        CorrectionThreshold.objects.filter(tenant_id=tenant_id, unit__in=list(size)).values_list("unit", "amount")
    )
    return all(amount == 0 or (unit in rows and amount <= rows[unit]) for unit, amount in size.items())


def tenant_of(*, label: str, target_ids: Iterable[UUID]) -> UUID:
    """The one tenant that all these rows belong to. Raises SeveralTenants, also where one of the rows isn't there."""
    wanted = set(target_ids)
    rows: list[Any] = list(apps.get_model(label)._base_manager.filter(pk__in=wanted).values_list("pk", "tenant_id"))
    tenants = {tenant_id for _, tenant_id in rows}
    if len(tenants) != 1 or len(rows) != len(wanted):
        raise SeveralTenants
    found: UUID = tenants.pop()
    return found
