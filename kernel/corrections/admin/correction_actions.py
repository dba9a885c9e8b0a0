"""Mixin for the admin of a table whose rows can be corrected. It offers the kinds of correction and lists a row's correction requests."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from kernel.base.local_time import local_time
from kernel.corrections.admin.request_views import start_request
from kernel.corrections.choices import REQUEST_PAGE, REQUEST_PERMISSION, STATE_COLOURS, State
from kernel.corrections.kinds import Kind, list_kinds
from kernel.corrections.selectors import list_requests_for
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import actor_names, label, link, row_link
from kernel.ledger.money import trimmed_digits


def how_to_undo(kind: str, row_id: Any, *, amount: Decimal, unit: str) -> SafeString:
    """The sentence on the page of a reversal, with a link to the form that adjusts by the opposite amount."""
    url = f"{reverse(REQUEST_PAGE)}?{urlencode({'kind': kind, 'row': row_id, 'amount': trimmed_digits(amount)})}"
    text = "A reversal can't be reversed. If it was wrong, {}: the original stays reversed, and the amount is booked again."
    return format_html(text, link(url, f"adjust by {trimmed_digits(amount)} {unit}"))


# Requests shown on a row's page.
MAX_REQUESTS = 20


def request_url(kind: str, row_id: Any) -> str:
    """The form of a correction of this row."""
    return f"{reverse(REQUEST_PAGE)}?{urlencode({'kind': kind, 'row': row_id})}"


class CorrectionActions(LedgerAdmin):
    """Base class for the admin of every model that a registered kind corrects."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """A list action for each kind that takes several rows, for users who may request corrections."""
        actions: dict[str, Any] = super().get_actions(request)
        if not request.user.has_perm(REQUEST_PERMISSION):
            return actions
        kinds = [kind for kind in list_kinds(self.model._meta.label_lower) if kind.takes_many]
        return actions | {f"correct_{kind.code}": (_action(kind), f"correct_{kind.code}", f"{kind.title} the selected …") for kind in kinds}

    def action_links(self, request: HttpRequest, row: Any) -> list[dict[str, str]]:
        """Also a button for each kind that applies to the row."""
        links = super().action_links(request, row)
        if not request.user.has_perm(REQUEST_PERMISSION):
            return links
        return links + [
            {"title": kind.title, "icon": kind.icon, "url": request_url(kind.code, row.pk)}
            for kind in list_kinds(self.model._meta.label_lower)
            if kind.applies_to(row)
        ]

    def all_panels(self, request: HttpRequest, row: Any) -> list[Panel]:
        return [*super().all_panels(request, row), *self._requests_panel(row)]

    def _requests_panel(self, row: Any) -> list[Panel]:
        requests = list(list_requests_for(tenant_id=row.tenant_id, target_ids=[row.pk])[:MAX_REQUESTS])
        if not requests:
            return []
        names = actor_names(request.requested_by for request in requests)
        rows = [
            (
                row_link(request),
                label(request.get_state_display(), STATE_COLOURS[State(request.state)]),
                request.reason,
                names[request.requested_by],
                local_time(request.created_at),
            )
            for request in requests
        ]
        return [Panel("Corrections of this row", ("Request", "State", "Reason", "Requested by", "Requested"), rows)]


def _action(kind: Kind) -> Callable[..., HttpResponse]:
    def correct(page: LedgerAdmin, request: HttpRequest, queryset: models.QuerySet) -> HttpResponse:
        return start_request(request, kind=kind, rows=queryset)

    return correct
