"""The admin of webhook endpoints, and the catalogue of types."""

import json
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action

from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.events import registry
from kernel.events.admin import forms
from kernel.events.admin.labels import health
from kernel.events.admin.panels import newest_deliveries
from kernel.events.choices import DisabledReason, EndpointStatus
from kernel.events.ids import endpoint_ref
from kernel.events.models import Endpoint, SecretReading
from kernel.events.selectors.endpoints import get_stats
from kernel.events.services.endpoints import reveal_secret
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import actor_names, page_of
from kernel.ledger.admin.settings import SettingForm, setting_action

MAX_READINGS = 10
GROUP_TITLES = {"own": "webhooks and keys"}


class RevealForm(SettingForm):
    title = "Reveal the secret"
    description = "The receiver checks signatures with it. Who reads it is recorded."
    icon = "key"

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse:
        shown = reveal_secret(tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, endpoint_id=self.row.pk)
        context = {
            **admin.site.each_context(self.request),
            "title": "Secret",
            "shown": shown,
            "page": page_of("events.endpoint", self.row.pk),
        }
        response = TemplateResponse(self.request, "events/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


# How long an endpoint may fail before the dashboard names it.
FAILING_AFTER = timedelta(hours=1)


class HealthFilter(admin.SimpleListFilter):
    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failing", "Failing"), ("failing_long", "Failing for an hour or more"), ("broken", "Disabled by failures")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "failing":
                return queryset.filter(status=EndpointStatus.ENABLED, first_failure_at__isnull=False)
            case "failing_long":
                return queryset.filter(status=EndpointStatus.ENABLED, first_failure_at__lt=timezone.now() - FAILING_AFTER)
            case "broken":
                return queryset.filter(status=EndpointStatus.DISABLED).exclude(disabled_reason=DisabledReason.BY_USER)
        return queryset


@admin.register(Endpoint)
class EndpointAdmin(LedgerAdmin):
    icon = "webhook"
    field_labels = {
        "disabled_note": "why disabled",
        "first_failure_at": "failing since",
        "not_before": "paused until",
        "previous_valid_until": "previous secret signs until",
        "secret_generation": "secret number",
    }
    list_display = ("address", "tenant", "health", "events", "last_success_at")
    list_select_related = ("tenant",)
    list_filter = ("status", HealthFilter)
    search_fields = ("id", "url")
    folds_empty = True
    fields = (
        *("reference", "tenant", "address", "health", "events", "description", "ordering", "payload", "header_names"),
        *("disabled_note", "disabled_at", "consecutive_failures", "first_failure_at", "last_success_at", "not_before"),
        *("secret_generation", "previous_valid_until", "version", "created_at", "created_by", "updated_at"),
    )
    actions_list = ("new_endpoint", "types")
    actions_detail = (
        *(
            "send_test",
            "change_endpoint",
            "disable",
            "enable",
            "recover",
            "reveal_secret",
            "rotate_secret",
            "drop_previous_secret",
            "delete_endpoint",
        ),
    )
    new_endpoint = setting_action(forms.NewEndpointForm, name="new-endpoint")
    change_endpoint = setting_action(forms.ChangeEndpointForm, name="change-endpoint")
    disable = setting_action(forms.DisableForm, name="disable")
    enable = setting_action(forms.EnableForm, name="enable")
    delete_endpoint = setting_action(forms.DeleteForm, name="delete-endpoint")
    send_test = setting_action(forms.TestForm, name="send-test")
    recover = setting_action(forms.RecoverForm, name="recover")
    rotate_secret = setting_action(forms.RotateForm, name="rotate-secret")
    drop_previous_secret = setting_action(forms.DropPreviousForm, name="drop-previous-secret")
    reveal_secret = setting_action(RevealForm, name="reveal-secret", right="reveal")

    @action(  # type: ignore[untyped-decorator] # Unfold has no types
        description="Types of events", icon="menu_book", url_path="types", permissions=["view"]
    )
    def types(self, request: HttpRequest) -> HttpResponse:
        """Every type of event, with an example."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for each in registry.list_types():
            example = json.dumps(each.example, indent=2, ensure_ascii=False)
            shown = {"name": each.name, "order": each.account.partition(":")[0], "about": with_code(each.description), "example": example}
            groups.setdefault(GROUP_TITLES.get(each.group, each.group), []).append(shown)
        context = {**self.admin_site.each_context(request), "title": "Types of events", "opts": self.opts, "groups": groups}
        return TemplateResponse(request, "events/catalogue.html", context)

    def has_reveal_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("events.reveal_endpoint")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        # A list shows deleted endpoints only if they are asked for; their pages open in any case.
        is_list = request.resolver_match is not None and str(request.resolver_match.url_name).endswith("_changelist")
        return rows.exclude(status=EndpointStatus.DELETED) if is_list and "status__exact" not in request.GET else rows

    def action_links(self, request: HttpRequest, row: Endpoint) -> list[dict[str, str]]:
        """Without the actions that don't fit the endpoint's state."""
        hidden = {
            EndpointStatus.ENABLED: {forms.EnableForm.title},
            EndpointStatus.DISABLED: {forms.DisableForm.title, forms.RecoverForm.title},
            EndpointStatus.DELETED: {link["title"] for link in super().action_links(request, row)},
        }[EndpointStatus(row.status)]
        if row.previous_valid_until is None:
            hidden = hidden | {forms.DropPreviousForm.title}
        return [link for link in super().action_links(request, row) if link["title"] not in hidden]

    @admin.display(description="URL")
    def address(self, row: Endpoint) -> str:
        return str(row)

    @admin.display(description="ID")
    def reference(self, row: Endpoint) -> str:
        return endpoint_ref(row.pk)

    @admin.display(description="health")
    def health(self, row: Endpoint) -> Any:
        return health(row)

    @admin.display(description="events")
    def events(self, row: Endpoint) -> str:
        return "All" if "*" in row.enabled_events else ", ".join(row.enabled_events)

    @admin.display(description="headers")
    def header_names(self, row: Endpoint) -> str:
        return ", ".join(row.headers) or NOTHING

    def panels(self, request: HttpRequest, row: Endpoint) -> list[Panel]:
        return [_stats(row), newest_deliveries(row), *_readings(row)]


def with_code(text: str) -> SafeString:
    """The text with what stands between backticks as code."""
    parts = ((format_html("<code>{}</code>", part) if place % 2 else part,) for place, part in enumerate(text.split("`")))
    return format_html_join("", "{}", parts)


def _stats(row: Endpoint) -> Panel:
    lines = []
    for period in get_stats(tenant_id=row.tenant_id, endpoint=row)["periods"]:
        share = period["success_share"]
        counts = period["counts"]
        lines.append(
            (
                {"24h": "24 hours", "7d": "7 days"}[period["period"]],
                counts["delivered"],
                counts["failed"] + counts["skipped"],
                counts["pending"] + counts["leased"] + counts["waiting"],
                NOTHING if share is None else f"{share:.1%}",
                *(NOTHING if period[name] is None else f"{period[name]} ms" for name in ("p50_ms", "p95_ms")),
            )
        )
    return Panel("Health", ("Last", "Delivered", "Failed", "Under way", "Success", "Half within", "95 % within"), lines)


def _readings(row: Endpoint) -> list[Panel]:
    """Who read the secret."""
    readings = list(SecretReading.objects.filter(tenant_id=row.tenant_id, endpoint_id=row.pk).order_by("-id")[:MAX_READINGS])
    names = actor_names(reading.actor for reading in readings)
    lines = [(local_time(reading.created_at), names[reading.actor], f"number {reading.generation}") for reading in readings]
    return [Panel("Who read the secret", ("When", "Who", "Secret"), lines)] if lines else []


@admin.register(SecretReading)
class SecretReadingAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("created_at", "tenant", "endpoint", "generation", "actor")
    list_select_related = ("tenant", "endpoint")
