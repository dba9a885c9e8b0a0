"""The page of a setting: what it will do, what it asks, and who may."""

from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.models import model_to_dict
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from backoffice.settings.registry import SETTINGS, Setting
from kernel.ledger.admin.formatting import actor_names, json_block, page_of
from kernel.ledger.admin.links import ActionLink, Panel, register_action_link, register_panel
from kernel.ledger.admin.messages import message_for
from kernel.ledger.money import plain
from kernel.tenants.admin import local_time
from kernel.tenants.errors import DomainError
from kernel.tenants.services import IssuedKey
from kernel.tenants.staff import Scope, scope_of

PAGE = "admin:backoffice_setting"
# Changes that a row's page shows; the list of changes has them all.
MOST_CHANGES = 20


def setting_page(request: HttpRequest, code: str) -> HttpResponse:
    """GET: the form, about `row` where there is one. POST: change it, under the reader's name."""
    setting = SETTINGS.get(code)
    if setting is None:
        raise Http404
    if not request.user.has_perm(setting.permission):
        raise PermissionDenied
    scope = scope_of(request.user)
    row = _row(request, setting, scope)
    form = setting.form(request.POST or None, scope=scope, row=row, initial=_initial(row))
    # A form that asks nothing is answered by being sent.
    if request.method == "POST" and (form.is_valid() or not form.fields):
        answer = _apply(request, setting, row, form)
        if answer is not None:
            return answer
    return _page(request, setting, row, form)


def _row(request: HttpRequest, setting: Setting, scope: Scope) -> Any:
    """The row that is changed, or the tenant that something is made for. Raises Http404 for one that the reader may not see."""
    wanted = request.GET.get("row", "")
    if not wanted and not setting.needs_row:
        return None
    model = apps.get_model(setting.label)
    try:
        row = scope.limit(model._base_manager.all()).filter(pk=wanted).first()
    except (ValidationError, ValueError):
        row = None
    if row is None and setting.needs_row:
        raise Http404
    return row


def _initial(row: Any) -> dict[str, Any]:
    found = {} if row is None else model_to_dict(row)
    return {name: plain(value) if isinstance(value, Decimal) else value for name, value in found.items()}


def _apply(request: HttpRequest, setting: Setting, row: Any, form: Any) -> HttpResponse | None:
    """Where the change leads; None where it was refused, which the form then says."""
    actor, request_id = f"staff:{request.user.pk}", getattr(request, "request_id", "")
    try:
        made = setting.apply(actor, request_id, row, getattr(form, "cleaned_data", {}))
    except DomainError as error:
        form.add_error(None, message_for(error))
        return None
    if isinstance(made, IssuedKey):
        return _secret(request, made)
    messages.success(request, f"{setting.title}: done.")
    address = page_of(setting.label, row.pk) if row is not None else reverse(f"admin:{setting.label.replace('.', '_')}_changelist")
    return HttpResponseRedirect(address)


def _secret(request: HttpRequest, issued: IssuedKey) -> HttpResponse:
    """The only page that ever shows it; nothing keeps a copy."""
    context = {**admin.site.each_context(request), "title": "New key", "issued": issued, "page": page_of("tenants.apikey", issued.key.pk)}
    response = TemplateResponse(request, "office/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _page(request: HttpRequest, setting: Setting, row: Any, form: Any) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": setting.title,
        "setting": setting,
        "row": row,
        "form": form,
        "back": page_of(setting.label, row.pk) if row is not None else reverse(f"admin:{setting.label.replace('.', '_')}_changelist"),
    }
    return TemplateResponse(request, "office/setting.html", context)


def history(row: Any, user: Any, scope: Scope) -> Panel | None:
    """Who changed a row, and what of it."""
    from backoffice.models import Change  # noqa: PLC0415

    found = list(Change.objects.filter(table=row._meta.db_table, row=str(row.pk)).order_by("-id")[:MOST_CHANGES])
    names = actor_names(change.actor for change in found)
    rows = [
        (
            local_time(change.at),
            names[change.actor] or f"database user {change.database_user}",
            change.operation.lower(),
            json_block(_difference(change.before, change.after), "what changed"),
        )
        for change in found
    ]
    return Panel("History", ("When", "Who", "Did", "What"), rows) if rows else None


def _difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, Any]:
    old, new = before or {}, after or {}
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: {"from": old.get(name), "to": new.get(name)} for name in names}


for _setting in SETTINGS.values():
    register_action_link(
        _setting.label,
        ActionLink(_setting.title, _setting.icon, _setting.permission, PAGE, (_setting.code,), for_rows=_setting.needs_row),
    )
for _label in {setting.label for setting in SETTINGS.values()} | {"tenants.staffprofile", "metering.agent", "metering.unitprice"}:
    register_panel(_label, history)
