"""The dashboard's alerts: what an operator must look at, how many there are, and the list that shows them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from backoffice.integrity.runs import failed_integrity_runs
from backoffice.near_duplicates import undecided_duplicates
from billing.models import Transaction as BillingTransaction
from kernel.backfills.choices import RunState
from kernel.backfills.models import BackfillRun
from kernel.backfills.selectors import list_waiting_uploads
from kernel.corrections.choices import REQUEST_PERMISSION, State
from kernel.corrections.models import CorrectionRequest
from kernel.corrections.selectors import list_waiting_requests
from kernel.events.admin.deliveries import to_resend
from kernel.events.admin.endpoints import FAILING_AFTER
from kernel.events.choices import DisabledReason, EndpointStatus
from kernel.events.delivery_retries import FAILING_FOR
from kernel.events.models import Delivery, Endpoint
from kernel.tenants.staff_scope import VisibleTenants, query_tenant_ids
from metering.admin.filters import ESTIMATE_OVERDUE_AFTER, STALE_AFTER
from metering.choices import Grain, Status
from metering.models import Rollup
from metering.models import Transaction as MeteredTransaction
from metering.paying.choices import OPEN_STATUSES
from metering.paying.models import Payment
from metering.rules.choices import RequestStatus
from metering.rules.models import AuthorizationRequest

# Larger numbers are shown as "many" and not counted.
MAX_COUNT = 1000
PAYMENT_OLD_AFTER = timedelta(hours=1)
# How long somebody's own rejected requests are shown.
REJECTED_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Alert:
    """`count` is None if it is more than MAX_COUNT."""

    title: str
    count: int | None
    advice: str
    url: str


def list_alerts(request: HttpRequest, scope: VisibleTenants) -> list[Alert]:
    """The alerts that the user may see, without those that have nothing to show."""
    alerts = [build(request, scope) for permission, build in BUILDERS if request.user.has_perm(permission)]
    return [alert for alert in alerts if alert.count != 0]


def _alert(title: str, rows: QuerySet[Any], *, advice: str, page: str, query: str) -> Alert:
    count = len(rows.order_by().values_list("pk", flat=True)[: MAX_COUNT + 1])
    return Alert(
        title=title, count=None if count > MAX_COUNT else count, advice=advice, url=f"{reverse(f'admin:{page}_changelist')}?{query}"
    )


def _uploads(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = scope.limit(list_waiting_uploads()).exclude(requested_by=f"staff:{request.user.pk}")
    advice = "Look at the plan, then approve or reject."
    query = "box=to_approve"
    return _alert("Uploaded files waiting for approval", rows, advice=advice, page="backfills_backfillupload", query=query)


def _corrections(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = scope.limit(list_waiting_requests()).exclude(requested_by=f"staff:{request.user.pk}")
    advice = "Look at the preview, then approve or reject."
    return _alert("Corrections waiting for approval", rows, advice=advice, page="corrections_correctionrequest", query="box=to_approve")


def _rejected(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = scope.limit(CorrectionRequest.objects.filter(requested_by=f"staff:{request.user.pk}", state=State.REJECTED))
    rows = rows.filter(decided_at__gt=timezone.now() - REJECTED_FOR)
    advice = f"A colleague said why; ask again with what was missing. Shown for {REJECTED_FOR.days} days."
    query = f"box=mine&state__exact={State.REJECTED}"
    return _alert("Your corrections that were rejected", rows, advice=advice, page="corrections_correctionrequest", query=query)


def _near_duplicates(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = undecided_duplicates(scope.limit(BillingTransaction.objects.all()))
    advice = "Compare each with the entry that it resembles: reverse the one that is wrong, or keep it, with a reason."
    return _alert("Near-duplicate charges", rows, advice=advice, page="billing_transaction", query="flag=near_duplicate&window=all")


def _stale(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = MeteredTransaction.objects.filter(
        tenant__in=query_tenant_ids(scope), status=Status.AUTHORIZED, created_at__lt=timezone.now() - STALE_AFTER
    )
    advice = "Authorized more than a day ago and never completed: ask the caller, or cancel."
    return _alert("Stale authorized calls", rows, advice=advice, page="metering_transaction", query="waits=day&window=all")


def _overdue_estimates(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = Rollup.objects.filter(
        tenant__in=query_tenant_ids(scope), grain=Grain.DAY, estimated__gt=0, starts_at__lt=timezone.now() - ESTIMATE_OVERDUE_AFTER
    )
    advice = "Sums by day and service that are partly estimates after a week."
    return _alert(
        "Estimates without an actual cost", rows, advice=advice, page="metering_rollup", query="grain__exact=day&estimates=overdue"
    )


def _runs(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = scope.limit(BackfillRun.objects.filter(state=RunState.INTERRUPTED))
    query = "state__exact=interrupted"
    return _alert("Backfill runs interrupted", rows, advice="Resume or undo them.", page="backfills_backfillrun", query=query)


def _endpoints(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = scope.limit(Endpoint.objects.filter(status=EndpointStatus.DISABLED).exclude(disabled_reason=DisabledReason.BY_USER))
    advice = "Disabled, because they failed for days or are gone. Ask the receiver, enable them, and replay what they missed."
    return _alert("Webhook endpoints that receive nothing", rows, advice=advice, page="events_endpoint", query="health=broken")


def _failing(request: HttpRequest, scope: VisibleTenants) -> Alert:
    since = timezone.now() - FAILING_AFTER
    rows = scope.limit(Endpoint.objects.filter(status=EndpointStatus.ENABLED, first_failure_at__lt=since))
    advice = f"No success for an hour or longer; after {FAILING_FOR.days} days they are disabled."
    return _alert("Webhook endpoints that fail", rows, advice=advice, page="events_endpoint", query="health=failing_long")


def _undelivered(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = to_resend(Delivery.objects.filter(tenant__in=query_tenant_ids(scope)))
    advice = "Given up in the last 7 days. Replay them once the receiver is mended."
    return _alert("Webhook deliveries that failed", rows, advice=advice, page="events_delivery", query="due=replay")


def _checks(request: HttpRequest, scope: VisibleTenants) -> Alert:
    failed = failed_integrity_runs(scope.tenant_ids)
    advice = f"The newest check of the ledgers found {failed[0].first}" if failed else ""
    return Alert("A ledger check failed", len(failed), advice[:300], reverse("admin:backoffice_integrityrun_changelist"))


def _jobs(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = ProcrastinateJob.objects.filter(status="failed")
    advice = "Read the error in the log, then run them again: manage.py failed_jobs --retry ID."
    return _alert("Jobs failed", rows, advice=advice, page="procrastinate_procrastinatejob", query="status__exact=failed")


def _waiting_decisions(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = AuthorizationRequest.objects.filter(tenant__in=query_tenant_ids(scope), status=RequestStatus.PREPARING)
    advice = "A spending rule left the decision to a person: allow or deny each, with a reason."
    return _alert(
        "Calls waiting for a decision", rows, advice=advice, page="rules_authorizationrequest", query="status__exact=preparing&window=all"
    )


def _unpaid(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = Payment.objects.filter(tenant__in=query_tenant_ids(scope), unpaid__gt=0)
    advice = "Calls cost more than was held for them, and neither credits nor the wallet covered the rest. Top up, then add it as a debit."
    return _alert("Calls with something unpaid", rows, advice=advice, page="paying_payment", query="due=unpaid&window=all")


def _unconfirmed(request: HttpRequest, scope: VisibleTenants) -> Alert:
    rows = Payment.objects.filter(tenant__in=query_tenant_ids(scope), is_unconfirmed=True)
    advice = "Paid outside of the ledgers, and no receipt says whether and how much. Compare them with the statement from there."
    return _alert("Payments that nobody confirmed", rows, advice=advice, page="paying_payment", query="due=unconfirmed&window=all")


def _old_holds(request: HttpRequest, scope: VisibleTenants) -> Alert:
    since = timezone.now() - PAYMENT_OLD_AFTER
    rows = Payment.objects.filter(tenant__in=query_tenant_ids(scope), status__in=OPEN_STATUSES, created_at__lt=since)
    advice = "Their calls were neither completed nor cancelled for an hour. Ask the caller, or release them with a reason."
    return _alert("Payments that hold money for long", rows, advice=advice, page="paying_payment", query="due=old&window=all")


BUILDERS: list[tuple[str, Callable[[HttpRequest, VisibleTenants], Alert]]] = [
    ("corrections.view_correctionrequest", _corrections),
    (REQUEST_PERMISSION, _rejected),
    ("backfills.view_backfillupload", _uploads),
    ("billing.view_transaction", _near_duplicates),
    ("rules.view_authorizationrequest", _waiting_decisions),
    ("metering.view_transaction", _stale),
    ("paying.view_payment", _unpaid),
    ("paying.view_payment", _old_holds),
    ("paying.view_payment", _unconfirmed),
    ("metering.view_rollup", _overdue_estimates),
    ("backfills.view_backfillrun", _runs),
    ("events.view_endpoint", _endpoints),
    ("events.view_endpoint", _failing),
    ("events.view_delivery", _undelivered),
    ("backoffice.view_integrityrun", _checks),
    # Jobs belong to no tenant: only superusers have this permission.
    ("procrastinate.view_procrastinatejob", _jobs),
]
