"""Sums of the list of entries from the daily totals, which each posting updates."""

from typing import Any

from django.db.models import F, Q
from django.http import HttpRequest

from billing.choices import Direction
from billing.models import DailyTotal
from kernel.ledger.admin.searching import values_of
from kernel.ledger.admin.sums import StoredSums, chosen_filters
from kernel.tenants.staff_scope import scope_of

AMOUNTS: dict[str, Any] = {Direction.CREDIT.value: F("credits"), Direction.DEBIT.value: -F("debits"), "": F("credits") - F("debits")}
# The condition that a daily total has entries of that direction.
CONDITIONS = {Direction.CREDIT.value: Q(credits__gt=0), Direction.DEBIT.value: Q(debits__gt=0), "": Q()}


def stored_sums(request: HttpRequest) -> StoredSums | None:
    """By tenant, currency, type, direction, and days of world time."""
    wanted = chosen_filters(request, {"currency", "type_is", "direction__exact"})
    direction = "" if wanted is None else wanted.get("direction__exact", "")
    if wanted is None or direction not in AMOUNTS:
        return None
    days = scope_of(request.user).limit(DailyTotal.objects.filter(CONDITIONS[direction]))
    if currency := wanted.get("currency"):
        days = days.filter(currency=currency.upper())
    if type_code := wanted.get("type_is"):
        days = days.filter(type__in=values_of(request, days, "type_is", "type", type_code))
    return StoredSums(days, "currency", AMOUNTS[direction], day="day", clock="occurred_at")
