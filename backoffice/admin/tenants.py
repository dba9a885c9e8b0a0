"""The admin of tenants, keys and staff profiles, with their settings. It replaces the kernel's own, which can't import kernel.ledger."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from kernel.corrections.admin.correction_actions import request_url
from kernel.corrections.choices import REQUEST_PERMISSION
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.fields import CurrencyField
from kernel.ledger.admin.formatting import page_of
from kernel.ledger.admin.settings import DATETIME_LOCAL, MomentField, SettingForm, form_id_of, setting_action, switch_field, text_field
from kernel.tenants import services
from kernel.tenants.admin.pages import ApiKeyAdmin, StaffProfileAdmin, StaffTenantAdmin, TenantAdmin
from kernel.tenants.errors import KeyExists
from kernel.tenants.models import ApiKey, StaffProfile, StaffTenant, Tenant
from kernel.tenants.scopes import all_scopes
from kernel.tenants.staff_scope import scope_of

# How long a new key is valid unless another end is chosen.
KEY_LIFETIME = timedelta(days=90)


class NewTenantForm(SettingForm):
    is_tried_first = True
    title = "New tenant"
    description = "A company with ledgers of its own."
    icon = "add"
    has_tenant = False
    name = text_field("Name")
    slug = text_field("Short name", help="Lower-case letters, digits and hyphens. It can't be changed.", max_length=80)
    currency = CurrencyField(label="Currency", help_text="ISO 4217, like USD: the currency of amounts that name none.")
    parent = forms.ModelChoiceField(
        queryset=Tenant.objects.none(),
        label="Parent",
        required=False,
        empty_label="None",
        widget=UnfoldAdminSelectWidget(),
        help_text="A tenant whose keys may act for this one. Usually empty.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["parent"].queryset = scope_of(self.request.user).limit(Tenant.objects.all())  # type: ignore[attr-defined]

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.create_tenant(actor=actor, request_id=request_id, **values)


class TenantForm(SettingForm):
    title = "Change the tenant"
    description = "Its name, and whether it is served."
    name = text_field("Name")
    is_active = switch_field("Active", help="Off: none of its keys works any more. Its ledgers stay.")

    def current(self) -> dict[str, Any]:
        return {"name": self.row.name, "is_active": self.row.is_active}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.change_tenant(tenant=self.row, actor=actor, request_id=request_id, **values)


class NewKeyForm(SettingForm):
    title = "New key"
    description = "The secret is shown once, on the next page, and can't be read again."
    icon = "add"
    name = text_field("Name", help="What the key is for. It is shown beside everything that the key does.")
    scopes = forms.MultipleChoiceField(
        label="Scopes",
        choices=lambda: [(scope, scope) for scope in all_scopes()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="Only what is needed.",
    )
    expires_at = MomentField("Expires", required=False, help="In your time zone. Empty: never.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["expires_at"].initial = timezone.localtime(timezone.now() + KEY_LIFETIME).strftime(DATETIME_LOCAL)

    def clean_expires_at(self) -> Any:
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("That is past.")
        return expires_at

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse:
        assert self.tenant is not None
        try:
            issued = services.create_api_key(tenant=self.tenant, actor=actor, request_id=request_id, key_id=form_id_of(self), **values)
        except KeyExists as error:
            messages.warning(self.request, "This key was made already. Its secret was shown once; make a new key if it is lost.")
            return HttpResponseRedirect(page_of("tenants.apikey", error.facts["id"]))
        return _secret_page(self.request, issued)


def _secret_page(request: HttpRequest, issued: services.IssuedKey) -> HttpResponse:
    """The only page that shows the secret. It is stored nowhere, so this page can't be a redirect."""
    context = {**admin.site.each_context(request), "title": "New key", "issued": issued, "page": page_of("tenants.apikey", issued.key.pk)}
    response = TemplateResponse(request, "backoffice/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


class RevokeKeyForm(SettingForm):
    title = "Revoke the key"
    description = "Calls with the key are refused from now on. That can't be undone; a new key can be made."
    icon = "key_off"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.revoke_api_key(prefix=self.row.prefix, actor=actor, request_id=request_id)


admin.site.unregister([Tenant, ApiKey, StaffProfile, StaffTenant])


@admin.register(Tenant)
class OfficeTenantAdmin(TenantAdmin, LedgerAdmin):
    ordering = ("name", "id")
    search_fields = ("id", "name", "slug")
    search_parts = ("name", "slug")
    actions_list = ("new_tenant",)
    actions_detail = ("change_tenant",)
    new_tenant = setting_action(NewTenantForm, name="new-tenant")
    change_tenant = setting_action(TenantForm, name="change-tenant")

    def action_links(self, request: HttpRequest, row: Tenant) -> list[dict[str, str]]:
        links = super().action_links(request, row)
        if request.user.has_perm(REQUEST_PERMISSION):
            links.append({"title": "Open a wallet", "icon": "account_balance_wallet", "url": request_url("billing.open_wallet", row.pk)})
        return links


@admin.register(ApiKey)
class OfficeApiKeyAdmin(ApiKeyAdmin, LedgerAdmin):
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "prefix")
    search_parts = ("name",)
    actions_list = ("new_key",)
    actions_detail = ("revoke_key",)
    new_key = setting_action(NewKeyForm, name="new-key")
    revoke_key = setting_action(RevokeKeyForm, name="revoke-key")


@admin.register(StaffProfile)
class OfficeStaffProfileAdmin(StaffProfileAdmin, LedgerAdmin):
    list_select_related = ("user",)
    search_fields = ("user__username",)


@admin.register(StaffTenant)
class OfficeStaffTenantAdmin(StaffTenantAdmin, LedgerAdmin):
    list_select_related = ("profile__user",)
    search_fields = ("profile__user__username",)
