"""The log: deliveries with their bodies and answers, and the events."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from kernel.base.empty_values import NOTHING
from kernel.base.error_messages import message_for
from kernel.base.errors import DomainError
from kernel.base.local_time import local_time
from kernel.events.admin.labels import account_in_words, delivery_state, event_link, object_in_words
from kernel.events.admin.panels import answer_of
from kernel.events.choices import DeliveryState, EndpointStatus
from kernel.events.models import Attempt, Delivery, Event
from kernel.events.rendering import body_of
from kernel.events.selectors.deliveries import list_attempts
from kernel.events.services.resending import resend_delivery
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import actor_of, coded, id_link, json_block, label, page_of, row_link
from kernel.ledger.admin.settings import SettingForm, form_id_of, setting_action
from kernel.ledger.identifiers import code_in_words

# Deliveries that one action of the list sends again.
MAX_SELECTED = 100
# How long the dashboard names a delivery that was given up.
UNDELIVERED_SINCE = timedelta(days=7)


class ResendForm(SettingForm):
    title = "Replay"
    description = "Sends the event to the same endpoint again, with the same id and the same bytes."
    icon = "replay"

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse:
        audit = {"tenant_id": self.row.tenant_id, "actor": actor, "request_id": request_id}
        resent = resend_delivery(**audit, delivery_id=self.row.pk, idempotency_key=f"form:{form_id_of(self)}")
        messages.success(self.request, "The event is sent again: this is the new delivery.")
        return HttpResponseRedirect(page_of("events.delivery", resent.row.pk))


def _of_account(row: Any) -> Any:
    return account_in_words(row.tenant_id, row.account)


def to_resend(rows: QuerySet) -> QuerySet:
    """Deliveries that were given up not long ago, to an endpoint that still exists."""
    since = timezone.now() - UNDELIVERED_SINCE
    return rows.filter(state=DeliveryState.FAILED, created_at__gte=since).exclude(endpoint__status=EndpointStatus.DELETED)


class DueFilter(admin.SimpleListFilter):
    title = "due"
    parameter_name = "due"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("replay", f"Given up in the last {UNDELIVERED_SINCE.days} days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return to_resend(queryset) if self.value() == "replay" else queryset


@admin.register(Delivery)
class DeliveryAdmin(LedgerAdmin):
    icon = "outgoing_mail"
    list_display = ("created_at", "tenant", "type", "host", "status", "attempts", "answer", "next_try")
    list_select_related = ("tenant", "event", "endpoint")
    list_filter = ("state", "origin", DueFilter)
    search_fields = ("id", "event__id")
    folds_empty = True
    fields = (
        *("tenant", "endpoint", "event_page", "account", "sequence", "origin", "status", "attempts", "answer"),
        *("created_at", "next_try", "finished_at", "released_by_age", "id"),
    )
    actions = ("replay_selected",)
    actions_detail = ("replay",)
    replay = setting_action(ResendForm, name="replay")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # Bodies can be long, and a list shows none.
        return super().get_queryset(request).defer("event__body", "event__snapshot")

    @admin.display(description="type")
    def type(self, row: Delivery) -> Any:
        return coded(row.event.type)

    @admin.display(description="sent to")
    def host(self, row: Delivery) -> Any:
        return format_html('<span title="{}">{}</span>', row.endpoint.url, urlsplit(row.endpoint.url).hostname or NOTHING)

    @admin.display(description="state")
    def status(self, row: Delivery) -> Any:
        return delivery_state(row)

    @admin.display(description="last answer")
    def answer(self, row: Delivery) -> Any:
        return answer_of(row)

    @admin.display(description="next attempt")
    def next_try(self, row: Delivery) -> Any:
        return local_time(row.next_at) if row.finished_at is None else NOTHING

    @admin.display(description="event")
    def event_page(self, row: Delivery) -> Any:
        return event_link(row.event)

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        return _of_account if field.name == "account" else super().formatter_for(field)

    def panels(self, request: HttpRequest, row: Delivery) -> list[Panel]:
        attempts = [
            (
                attempt.number,
                local_time(attempt.at),
                label(attempt.status_code or attempt.error, "bad" if attempt.error else "good"),
                f"{attempt.duration_ms}\u00a0ms",
                attempt.ip or NOTHING,
                json_block(attempt.request_headers, "request headers"),
                json_block(attempt.response_head, "answer"),
            )
            for attempt in list_attempts(tenant_id=row.tenant_id, delivery_id=row.pk)
        ]
        headers = ("No.", "When", "Outcome", "Took", "Address", "Sent with", "Answered")
        return [
            Panel("Attempts", headers, attempts, empty="Not tried yet, or longer than 30 days ago."),
            Panel("Body", ("",), [(json_block(body_of(row.event), "the bytes that are sent"),)]),
        ]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return self.has_manage_permission(request)

    @admin.action(description="Replay", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, deliveries: QuerySet[Delivery]) -> None:
        rows, done = list(deliveries[: MAX_SELECTED + 1]), 0
        for row in rows[:MAX_SELECTED]:
            try:
                resend_delivery(
                    tenant_id=row.tenant_id, actor=actor_of(request), request_id=getattr(request, "request_id", ""), delivery_id=row.pk
                )
                done += 1
            except DomainError as error:
                messages.warning(request, f"{row}: {message_for(error)}")
        messages.success(request, f"{done} sent again.")
        if len(rows) > MAX_SELECTED:
            messages.warning(request, f"Only {MAX_SELECTED} at a time: recover more on the endpoint's page.")


@admin.register(Event)
class EventAdmin(LedgerAdmin):
    icon = "bolt"
    list_display = ("created_at", "tenant", "type", "account", "sequence", "object_id", "occurred_at")
    list_select_related = ("tenant",)
    search_fields = ("id", "object_id")
    folds_empty = True
    fields = ("tenant", "type", "account", "sequence", "object_id", "occurred_at", "created_at", "position", "id")
    codes = ("type",)

    def title_of(self, row: Event) -> str:
        return code_in_words(row.type)

    def formatter_for(self, field: Field) -> Callable[[Any], Any] | None:
        # A partial, because the base class notes the column's name at what formats it.
        own: dict[str, Callable[[Any], Any]] = {"account": _of_account, "object_id": partial(object_in_words)}
        return own.get(field.name) or super().formatter_for(field)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).defer("body", "snapshot")

    def panels(self, request: HttpRequest, row: Event) -> list[Panel]:
        deliveries = Delivery.objects.filter(tenant_id=row.tenant_id, event_id=row.pk).select_related("endpoint").order_by("id")
        lines = [
            (
                row_link(each.endpoint),
                each.get_origin_display(),
                id_link("events.delivery", each.pk, delivery_state(each)),
                each.attempts,
                answer_of(each),
            )
            for each in deliveries[:50]
        ]
        headers = ("Endpoint", "Origin", "State", "Attempts", "Last answer")
        return [
            Panel("Deliveries", headers, lines, empty="No endpoint wanted it, or it isn't fanned out yet."),
            Panel("Body", ("",), [(json_block(body_of(row), "the bytes that are sent"),)]),
        ]


@admin.register(Attempt)
class AttemptAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("at", "tenant", "delivery", "number", "status_code", "error", "duration_ms", "ip")
    list_select_related = ("tenant", "delivery")
    folds_empty = True
    fields = ("tenant", "delivery", "number", "at", "duration_ms", "status_code", "error", "ip", "request_headers", "answer", "id")

    @admin.display(description="answer")
    def answer(self, row: Attempt) -> Any:
        return json_block(row.response_head, "answer")
