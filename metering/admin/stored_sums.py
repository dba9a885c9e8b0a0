"""Sums of the list of costs from the sums of usage by day, which each cost updates."""

from typing import Any

from django.db.models import F, Q
from django.http import HttpRequest

from kernel.ledger.admin.sums import StoredSums, chosen_filters
from kernel.tenants.staff_scope import scope_of
from metering.choices import Grain
from metering.models import Rollup

AMOUNTS: dict[str, Any] = {"1": F("estimated"), "0": F("amount") - F("estimated"), "": F("amount")}


def stored_sums(request: HttpRequest) -> StoredSums | None:
    """Of the active costs of all time, by tenant, currency, and whether they are estimates."""
    wanted = chosen_filters(request, {"currency", "is_active__exact", "is_estimate__exact"})
    estimate = "" if wanted is None else wanted.get("is_estimate__exact", "")
    if wanted is None or wanted.get("is_active__exact") != "1" or estimate not in AMOUNTS:
        return None
    has_estimates = Q(estimated__gt=0) if estimate == "1" else Q()
    days = scope_of(request.user).limit(Rollup.objects.filter(has_estimates, grain=Grain.DAY, costs__gt=0))
    if currency := wanted.get("currency"):
        days = days.filter(currency=currency.upper())
    return StoredSums(days, "currency", AMOUNTS[estimate])
