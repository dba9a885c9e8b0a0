"""Reading correction requests."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from kernel.corrections.choices import State
from kernel.corrections.errors import SeveralTenants
from kernel.corrections.models import CorrectionEntry, CorrectionLine, CorrectionRequest, CorrectionThreshold
from kernel.ledger.errors import NotFound
from kernel.ledger.identifiers import first_id
from kernel.tenants.staff_scope import tenant_path

DAY = timedelta(days=1)
# Other requests of this age are named beside a new one, and those that wait.
RECENT = timedelta(days=7)


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


def is_within_day(*, tenant_id: UUID, actor: str, size: Mapping[str, Decimal], effects: Iterable[tuple[UUID, str, Decimal]]) -> bool:
    """Whether this much is left of what one person, and what one account, may have corrected without approval within a day.

    `effects`: the account, unit and signed amount of each entry. The caller holds the lock of the tenant's corrections, so that two of them
    can't both take what is left.
    """
    limits = {threshold.unit: threshold.of_a_day for threshold in CorrectionThreshold.objects.filter(tenant_id=tenant_id)}
    alone = CorrectionRequest.objects.filter(
        tenant_id=tenant_id, needs_approval=False, id__gte=first_id(timezone.now() - DAY), created_at__gt=Now() - DAY
    )
    by_person = dict(size)
    for earlier in alone.filter(requested_by=actor).values_list("size", flat=True):
        by_person |= {unit: by_person.get(unit, Decimal(0)) + Decimal(amount) for unit, amount in earlier.items()}
    now = list(effects)
    entries = CorrectionEntry.objects.filter(
        tenant_id=tenant_id, request__in=alone, account_id__in={account_id for account_id, _, _ in now}
    )
    # What was added to an account is counted by itself, and what was taken, as in the size of one correction.
    by_account: dict[tuple[UUID, str, bool], Decimal] = {}
    for account_id, unit, effect in [*now, *entries.values_list("account_id", "unit", "effect")]:
        side = account_id, unit, effect > 0
        by_account[side] = by_account.get(side, Decimal(0)) + abs(effect)
    sums = [*by_person.items(), *((unit, total) for (_, unit, _), total in by_account.items())]
    return all(total <= limits.get(unit, 0) for unit, total in sums if size.get(unit))


def list_related_requests(*, tenant_id: UUID, target_ids: Iterable[UUID], account_ids: Iterable[UUID]) -> QuerySet[CorrectionRequest]:
    """The requests for one of these rows, or with an entry on one of these accounts, that wait or were made recently; newest first.

    `same_row` says which of the two.
    """
    own = {"tenant_id": tenant_id, "request_id": OuterRef("pk")}
    same_row = Exists(CorrectionLine.objects.filter(**own, target_id__in=list(target_ids)))
    same_account = Exists(CorrectionEntry.objects.filter(**own, account_id__in=list(account_ids)))
    recent = Q(state=State.WAITING) | Q(id__gte=first_id(timezone.now() - RECENT))
    return (
        CorrectionRequest.objects.filter(recent, same_row | same_account, tenant_id=tenant_id).annotate(same_row=same_row).order_by("-id")
    )


def list_requests_of_day(*, tenant_id: UUID, actor: str) -> QuerySet[CorrectionRequest]:
    """What one person asked for within the last 24 hours, and wasn't rejected or withdrawn; newest first."""
    since = {"id__gte": first_id(timezone.now() - DAY), "created_at__gt": Now() - DAY}
    return CorrectionRequest.objects.filter(
        tenant_id=tenant_id, requested_by=actor, state__in=[State.POSTED, State.WAITING], **since
    ).order_by("-id")


def get_same_waiting(*, tenant_id: UUID, kind: str, facts: Mapping[str, str], target_ids: Iterable[UUID]) -> CorrectionRequest | None:
    """The waiting request for the same correction of exactly these rows."""
    wanted = sorted(target_ids)
    alike = CorrectionRequest.objects.filter(tenant_id=tenant_id, state=State.WAITING, kind=kind, facts=dict(facts))
    for request in alike.filter(id__in=CorrectionLine.objects.filter(tenant_id=tenant_id, target_id=wanted[0]).values("request_id")):
        if sorted(request.lines.values_list("target_id", flat=True)) == wanted:
            return request
    return None


def corrections_of_rows(*, tenant_id: UUID, target_ids: Iterable[UUID], but: UUID) -> str:
    """Which corrections of these rows are posted or wait, as text that changes with each new one and with each that is posted."""
    lines = CorrectionLine.objects.filter(tenant_id=tenant_id, target_id__in=list(target_ids)).values("request_id")
    found = CorrectionRequest.objects.filter(tenant_id=tenant_id, id__in=lines, state__in=[State.POSTED, State.WAITING]).exclude(id=but)
    newest = found.order_by("-id").values_list("id", flat=True).first()
    return f"{newest} {found.filter(state=State.POSTED).count()}" if newest else "none"


def get_common_tenant(*, label: str, target_ids: Iterable[UUID]) -> UUID:
    """The one tenant that all these rows belong to. Raises SeveralTenants, also when one of the rows doesn't exist."""
    wanted = set(target_ids)
    model = apps.get_model(label)
    # A tenant is its own.
    rows: list[Any] = list(model._base_manager.filter(pk__in=wanted).values_list("pk", tenant_path(model) or "tenant_id"))
    tenants: set[UUID] = {tenant_id for _, tenant_id in rows}
    if len(tenants) != 1 or len(rows) != len(wanted):
        raise SeveralTenants
    return tenants.pop()
