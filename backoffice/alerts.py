"""What waits for somebody: each with how many, and the list where they are."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from backoffice.integrity_runs import failed_checks
from billing.models import Transaction as BillingTransaction
from kernel.backfills.choices import RunState
from kernel.backfills.models import BackfillRun
from kernel.corrections.selectors import list_waiting_requests
from kernel.tenants.models import Tenant
from kernel.tenants.staff import Scope
from metering.choices import Grain, Status
from metering.models import Rollup
from metering.models import Transaction as MeteredTransaction

# Beyond this a number only says "many": nobody counts on.
MOST = 1000
STALE_AFTER = timedelta(days=1)
UNSETTLED_AFTER = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Matter:
    """`count` is None where it is more than MOST."""

    title: str
    count: int | None
    advice: str
    address: str


def waiting(request: HttpRequest, scope: Scope) -> list[Matter]:
    """What there is of each, leaving out what there is nothing of."""
    found = []
    for permission, look in LOOKS:
        if request.user.has_perm(permission):
            found.append(look(request, scope))
    return [matter for matter in found if matter.count != 0]


def _matter(title: str, rows: QuerySet[Any], *, advice: str, page: str, query: str) -> Matter:
    count = len(rows.order_by().values_list("pk", flat=True)[: MOST + 1])
    return Matter(
        title=title, count=None if count > MOST else count, advice=advice, address=f"{reverse(f'admin:{page}_changelist')}?{query}"
    )


def _corrections(request: HttpRequest, scope: Scope) -> Matter:
    rows = scope.limit(list_waiting_requests()).exclude(asked_by=f"staff:{request.user.pk}")
    advice = "Look at the preview, then approve or reject."
    return _matter("Corrections waiting for approval", rows, advice=advice, page="corrections_correctionrequest", query="box=to_approve")


def _near_duplicates(request: HttpRequest, scope: Scope) -> Matter:
    # A partial index holds just the flagged ones; those reversed since need nobody.
    rows = scope.limit(BillingTransaction.objects.exclude(flags=[]).filter(reversed_by__isnull=True))
    advice = "Compare each with its twin; reverse the one that is wrong."
    return _matter("Near-duplicate charges", rows, advice=advice, page="billing_transaction", query="flag=near_duplicate&window=all")


def _stale(request: HttpRequest, scope: Scope) -> Matter:
    rows = MeteredTransaction.objects.filter(
        tenant__in=_tenants(scope), status=Status.AUTHORIZED, created_at__lt=timezone.now() - STALE_AFTER
    )
    advice = "Authorized more than a day ago and never completed: ask the caller, or cancel."
    return _matter(
        "Stale authorized transactions", rows, advice=advice, page="metering_transaction", query="status__exact=authorized&window=all"
    )


def _unsettled(request: HttpRequest, scope: Scope) -> Matter:
    rows = Rollup.objects.filter(
        tenant__in=_tenants(scope), grain=Grain.DAY, estimated__gt=0, starts_at__lt=timezone.now() - UNSETTLED_AFTER
    )
    advice = "Sums by day and service that are still estimates after a week."
    return _matter("Estimates never settled", rows, advice=advice, page="metering_rollup", query="grain__exact=day&estimates=open")


def _runs(request: HttpRequest, scope: Scope) -> Matter:
    rows = scope.limit(BackfillRun.objects.filter(state=RunState.INTERRUPTED))
    return _matter(
        "Backfill runs interrupted", rows, advice="Resume or undo them.", page="backfills_backfillrun", query="state__exact=interrupted"
    )


def _checks(request: HttpRequest, scope: Scope) -> Matter:
    failed = failed_checks(scope.tenant_ids)
    advice = f"The newest check of the books found {failed[0].first}" if failed else ""
    return Matter("A ledger check failed", len(failed), advice[:300], reverse("admin:backoffice_bookcheck_changelist"))


def _jobs(request: HttpRequest, scope: Scope) -> Matter:
    rows = ProcrastinateJob.objects.filter(status="failed")
    advice = "Look why, then let them run again, or run their command."
    return _matter("Jobs failed", rows, advice=advice, page="procrastinate_procrastinatejob", query="status__exact=failed")


def _tenants(scope: Scope) -> Any:
    return scope.limit(Tenant.objects.all()).order_by().values("id")


LOOKS: list[tuple[str, Callable[[HttpRequest, Scope], Matter]]] = [
    ("corrections.view_correctionrequest", _corrections),
    ("billing.view_transaction", _near_duplicates),
    ("metering.view_transaction", _stale),
    ("metering.view_rollup", _unsettled),
    ("backfills.view_backfillrun", _runs),
    ("backoffice.view_bookcheck", _checks),
    # Jobs know no tenants: for superusers.
    ("procrastinate.view_procrastinatejob", _jobs),
]
