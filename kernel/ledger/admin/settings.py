"""Forms that change a setting: filled with the current values, confirmed on a second page that says what will change.

An app's admin defines a SettingForm and lists its action in `actions_list` (for a new row, or one chosen by its tenant) or
`actions_detail` (for the row whose page is open).
"""

import hashlib
import json
from collections.abc import Mapping
from copy import copy
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.dataclasses import Action
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from kernel.base.empty_values import NOTHING
from kernel.base.error_messages import message_for
from kernel.base.errors import DomainError
from kernel.ledger.admin.fields import AmountField, PlainDecimalField, doubt_of_thousands
from kernel.ledger.admin.form_ids import new_form_id, read_form_id
from kernel.ledger.admin.formatting import actor_of, page_of
from kernel.ledger.admin.panels import path_of_this_site
from kernel.ledger.moments import check_moment
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

DATETIME_LOCAL = "%Y-%m-%dT%H:%M:%S"


def text_field(label: str, *, help: str = "", required: bool = True, max_length: int = 200) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    return forms.CharField(label=label, help_text=help, required=required, max_length=max_length, widget=widget)


def switch_field(label: str, *, help: str = "") -> forms.BooleanField:
    return forms.BooleanField(label=label, help_text=help, required=False, widget=UnfoldBooleanSwitchWidget())


class MomentField(forms.DateTimeField):
    """A moment in the user's time zone, within the range of the ledgers (kernel.ledger.moments)."""

    def __init__(self, label: str, *, help: str = "In your time zone, like 2026-12-01T00:00.", required: bool = True) -> None:
        widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local", "step": "1"})
        super().__init__(label=label, help_text=help, required=required, widget=widget)

    def clean(self, value: Any) -> Any:
        try:
            moment = super().clean(value)
            check_moment("moment", moment)
        except (OverflowError, DomainError):
            raise forms.ValidationError("Enter a moment from 1900 to 2199.") from None
        return moment


class TenantChoiceForm(forms.Form):
    """Shown before a setting that belongs to a tenant, so that the setting's form can show the tenant's current values."""

    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.none(), label="Tenant", empty_label="Choose …", widget=UnfoldAdminSelectWidget()
    )

    def __init__(self, data: Any, *, request: HttpRequest) -> None:
        super().__init__(data)
        self.fields["tenant"].queryset = scope_of(request.user).limit(Tenant.objects.all())  # type: ignore[attr-defined]


class SettingForm(forms.Form):
    """One setting. A subclass names its texts, its fields, `current` and `apply`.

    `row`: the row that is changed; None in an action of the list. `tenant`: whose setting it is, if `has_tenant`.
    """

    title = ""
    description = ""
    icon = "edit"
    is_destructive = False
    # Whether an action of the list first shows a form to choose the tenant.
    has_tenant = True
    # Whether the change is tried and rolled back before it is shown for confirmation, to show what the service refuses. What is tried
    # (`try_out`) writes to the database and does nothing else: no call to another server, no message to the reader.
    is_tried_first = False
    # A fact that the service's error names -> the form's field for it.
    names_of_facts: ClassVar[Mapping[str, str]] = {}
    # Fields that fit only some values of another field, which stands before them: their name, the other's, its values. Where one doesn't
    # fit, its page hides it and whatever was entered is left out.
    fits: ClassVar[Mapping[str, tuple[str, frozenset[str]]]] = {}

    def __init__(self, data: Any = None, *, request: HttpRequest, row: Any = None, tenant: Tenant | None = None) -> None:
        self.request, self.row = request, row
        # None only where the form is shown without a tenant.
        self.tenant: Any = tenant
        self.standing = self.current()
        super().__init__(data, initial=self.standing)
        self.fields |= self.further_fields()
        for name, (other, values) in self.fits.items():
            if name in self.fields:
                self.fields[name].widget.attrs |= {"data-fits": other, "data-fits-values": " ".join(sorted(values))}

    def is_fitting(self, name: str) -> bool:
        """Whether a field fits the values that were entered. Called once the fields before it are cleaned."""
        if name not in self.fits:
            return True
        other, values = self.fits[name]
        return self.cleaned_data.get(other) in values

    def _clean_fields(self) -> None:
        """Leaves out what doesn't fit, and the errors in it."""
        super()._clean_fields()  # type: ignore[misc] # Django's own, but not in its stubs
        for name in self.fits:
            if name in self.fields and not self.is_fitting(name):
                self.cleaned_data[name] = None
                self.errors.pop(name, None)

    def current(self) -> dict[str, Any]:
        """The current values by field name, which fill the form. Empty for something new."""
        return {}

    def further_fields(self) -> dict[str, forms.Field]:
        """Fields beyond those of the class, which depend on the row or the tenant."""
        return {}

    def notes(self) -> list[str]:
        """Further effects of the change, as sentences for the confirmation page. Called with valid data."""
        return []

    def cautions(self) -> list[str]:
        """What the reader may not expect of the change, as sentences for the confirmation page. Called with valid data."""
        return []

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse | None:
        """Call the app's service with the cleaned values. Returns a page of its own, or None to go back. Raises the service's errors."""
        raise NotImplementedError

    def try_out(self, *, actor: str, request_id: str, **values: Any) -> None:
        """What `apply` writes, without anything that a rollback doesn't undo. Raises the service's errors."""
        self.apply(actor=actor, request_id=request_id, **values)

    def amount_warnings(self) -> list[str]:
        """Amounts that may not be what was meant, as sentences for the confirmation page."""
        amounts = [name for name, field in self.fields.items() if isinstance(field, AmountField | PlainDecimalField)]
        return [found for name in amounts if (found := doubt_of_thousands(str(self.cleaned_data.get(name) or "")))]

    def changes(self) -> list[tuple[str, str, str]]:
        """What the change would do: each field's label with its current and its new value as text, for those that differ."""
        found = []
        for name, field in self.fields.items():
            if not self.is_fitting(name):
                continue
            before, after = _text(self.standing.get(name), field), _text(self.cleaned_data.get(name), field)
            if before != after or name not in self.standing:
                found.append((str(field.label), before if name in self.standing else "", after))
        return found

    def digest(self) -> str:
        """Identifies the current values: the confirmation page shows the difference to these."""
        return hashlib.sha256(json.dumps(self.standing, default=str, sort_keys=True).encode()).hexdigest()


def setting_action(form_class: type[SettingForm], *, name: str, right: str = "manage") -> Action:
    """An Unfold action that opens the form's page. `name`: the last part of its URL, which is the attribute's name with hyphens. `right`:
    the page has a method `has_<right>_permission`."""

    def open_setting(self: Any, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        return setting_page(request, self, form_class, object_id)

    open_setting.__name__ = name.replace("-", "_")
    return action(description=form_class.title, icon=form_class.icon, permissions=[right], url_path=name)(open_setting)


def setting_page(request: HttpRequest, page: Any, form_class: type[SettingForm], object_id: str | None) -> HttpResponse:
    """GET: the form. POST `step=preview`: what would change. POST `step=confirm`: change it. `back` in the address: where it leads to."""
    row = _get_row(request, page, object_id)
    back = path_of_this_site(request.GET.get("back")) or _back(page, row)
    if row is None and form_class.has_tenant:
        choice = TenantChoiceForm(request.GET or None, request=request)
        if not choice.is_valid():
            return _render(request, page, "ledger/setting_tenant.html", {"title": form_class.title, "form": choice, "back": back})
        tenant = choice.cleaned_data["tenant"]
    else:
        tenant = getattr(row, "tenant", None)
    is_sent = request.method == "POST"
    form = form_class(request.POST if is_sent else None, request=request, row=row, tenant=tenant)
    context: dict[str, Any] = {"title": form.title, "form": form, "row": row, "tenant": tenant, "back": back}
    if is_sent and (form.is_valid() or not form.fields):
        if request.POST.get("step") == "confirm" and request.POST.get("standing") == form.digest():
            return _apply(request, page, form, context)
        if request.POST.get("step") != "edit" and (not form.is_tried_first or _passes_dry_run(form)):
            context |= _confirmation(request, form)
    return _render(request, page, "ledger/setting.html", context)


def _get_row(request: HttpRequest, page: Any, object_id: str | None) -> Any:
    """The row whose setting is changed. Raises Http404 for a row that doesn't exist or that the user may not see."""
    if object_id is None:
        return None
    row = page.get_object(request, object_id)
    if row is None:
        raise Http404
    if not page.has_view_permission(request, row):
        raise PermissionDenied
    return row


def _confirmation(request: HttpRequest, form: SettingForm) -> dict[str, Any]:
    if request.POST.get("step") == "confirm":
        messages.warning(request, "The setting was changed meanwhile by somebody else. This is the difference to its new values.")
    return {
        "changes": form.changes(),
        "notes": form.notes(),
        "cautions": [*form.cautions(), *form.amount_warnings()],
        "standing": form.digest(),
        "form_id": new_form_id(request),
        "is_preview": True,
    }


def _passes_dry_run(form: SettingForm) -> bool:
    """Whether the service takes the change; if not, its error is added. It is tried and rolled back, so that nobody confirms in vain."""
    # What a service changes of the objects that it gets isn't rolled back.
    trial = type(form)(form.request.POST, request=form.request, row=copy(form.row), tenant=copy(form.tenant))
    trial.is_valid()
    try:
        with transaction.atomic():
            trial.try_out(**_values(trial))
            transaction.set_rollback(True)
    except DomainError as error:
        _add_error(form, error)
    return not form.errors


def _values(form: SettingForm) -> dict[str, Any]:
    """The arguments of `apply`."""
    request_id: str = getattr(form.request, "request_id", "")
    return {"actor": actor_of(form.request), "request_id": request_id, **getattr(form, "cleaned_data", {})}


def _add_error(form: SettingForm, error: DomainError) -> None:
    # An error of a part of a fact, such as `headers.X-Name`, is shown at the field of the fact.
    name = str(error.facts.get("field") or "").partition(".")[0]
    field = form.names_of_facts.get(name, name)
    form.add_error(field if field in form.fields else None, message_for(error))


def _apply(request: HttpRequest, page: Any, form: SettingForm, context: Mapping[str, Any]) -> HttpResponse:
    try:
        response = form.apply(**_values(form))
    except DomainError as error:
        _add_error(form, error)
        return _render(request, page, "ledger/setting.html", context)
    if response is not None:
        return response
    messages.success(request, f"{form.title}: done.")
    return HttpResponseRedirect(context["back"])


def form_id_of(form: SettingForm) -> UUID | None:
    """The id for the row that the form makes: see kernel.ledger.admin.form_ids."""
    return read_form_id(form.request)


def _back(page: Any, row: Any) -> str:
    label = page.model._meta.label_lower
    return page_of(label, row.pk) if row is not None else reverse(f"admin:{label.replace('.', '_')}_changelist")


def _render(request: HttpRequest, page: Any, template: str, context: Mapping[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**page.admin_site.each_context(request), "opts": page.opts, **context})


def _text(value: Any, field: forms.Field) -> str:
    """A value as the confirmation page shows it: of a choice, its label."""
    if value in (None, "", []):
        return NOTHING
    if isinstance(field, forms.ChoiceField):
        labels = {str(choice): str(label) for choice, label in field.choices}  # type: ignore[union-attr, misc] # none are grouped
        return ", ".join(labels.get(str(one), str(one)) for one in (value if isinstance(value, list) else [value]))
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
