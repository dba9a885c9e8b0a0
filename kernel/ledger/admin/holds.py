"""The pages of holds, as the ledgers that have some show them."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, Field, Value, When
from django.http import HttpRequest

from kernel.ledger.admin.base import LedgerAdmin
from kernel.ledger.admin.figures import FigureFilter
from kernel.ledger.admin.filters import HoldStatusFilter, OpenHoldFilter
from kernel.ledger.admin.settings import SettingForm
from kernel.ledger.holds import OPEN, HoldStatus, status_now
from kernel.ledger.money import MoneyField


class HoldAdmin(LedgerAdmin):
    """An overdue hold is shown as expired. A subclass has the action `release`, which is offered of an active one.

    The sum below the list is what open holds still reserve, as figures say it.
    """

    sum_of = Case(When(OPEN, then=F("amount") - F("captured")), default=Value(Decimal(0)), output_field=MoneyField())
    sum_kind = Value("still reserved")
    list_filter = (FigureFilter, OpenHoldFilter, HoldStatusFilter)
    icon = "lock_clock"
    actions_detail = ("release",)

    def action_links(self, request: HttpRequest, row: Any) -> list[dict[str, str]]:
        return super().action_links(request, row) if status_now(row) == HoldStatus.ACTIVE else []

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        return (lambda row: status_now(row).label) if field.name == "status" else super().formatter_for(field)


class ReleaseHoldForm(SettingForm):
    """A subclass has the reason's field, and calls its ledger's service."""

    is_tried_first = True
    title = "Release the hold"
    description = "Frees what the hold still reserves. What it captured stays. Who placed it can't capture it any more."
    icon = "lock_open"
    is_destructive = True
