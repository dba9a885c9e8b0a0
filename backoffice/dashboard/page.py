"""The dashboard: figures of today, a week and a month by either clock, their charts, and alerts; of the ledgers that the user may see."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from backoffice.dashboard.alerts import list_alerts
from backoffice.dashboard.figures import SPANS, sum_figures
from kernel.ledger.clocks import CLOCK_TITLES, Clock
from kernel.tenants.staff_scope import VisibleTenants, scope_of

# Seconds for which figures are cached. Alerts are always read anew.
CACHE_SECONDS = 30
# What somebody must be allowed to read for the figures of each ledger.
PERMISSIONS = {
    "billing": "billing.view_dailytotal",
    "metering": "metering.view_rollup",
    "credits": "credits.view_credittransaction",
    "rules": "rules.view_spendingrule",
}


def dashboard(request: HttpRequest) -> dict[str, Any]:
    """The template context, for the tenants and the ledgers that the user may see."""
    scope = scope_of(request.user)
    today = timezone.now().astimezone(UTC).date()
    # Figures say how business went, so by default they are by the time it happened; a customer's page explains balances, and has book time.
    clock = Clock.BOOK if request.GET.get("clock") == Clock.BOOK else Clock.WORLD
    key = f"dashboard:{today}:{clock}:{'all' if scope.tenant_ids is None else sorted(map(str, scope.tenant_ids))}"
    figures = cache.get(key)
    if figures is None:
        figures = sum_figures(scope, today, clock)
        if not figures["unsummed"]:
            cache.set(key, figures, CACHE_SECONDS)
    may = {ledger: request.user.has_perm(permission) for ledger, permission in PERMISSIONS.items()}
    return {
        **figures,
        "figures": [(name, list(zip(SPANS, cells, strict=True))) for ledger, name, cells in figures["figures"] if may[ledger]],
        "outstanding": figures["outstanding"] if may["credits"] else [],
        "rules": figures["rules"] if may["rules"] else None,
        "charts": [each for ledger, each in figures["charts"] if may[ledger]],
        "clock": str(clock),
        "clocks": [(clock.value, title) for clock, title in CLOCK_TITLES.items()],
        "clock_title": CLOCK_TITLES[clock].lower(),
        "lacks": _what_is_missing(may, scope),
        "alerts": list_alerts(request, scope),
    }


def _what_is_missing(may: Mapping[str, bool], scope: VisibleTenants) -> str:
    """Why the page is empty for somebody who is new here; empty for everybody else."""
    if not any(may.values()):
        return "You have no role yet. A superuser gives you one, under Staff."
    return "You see no tenant yet. A superuser sets which ones you see, under Staff." if scope.tenant_ids == frozenset() else ""
