"""What staff call customers: the form, and the list of names. A customer's own page is in backoffice/customers/pages.py."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from backoffice.models import Customer, id_of_customer
from kernel.base.setting_author import setting_author
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field


class ChangeCustomerForm(SettingForm):
    title = "Name the customer"
    description = "A name and notes for people. Callers and ledgers know the customer by its id, which stays."
    name = text_field("Name", required=False)
    notes_text = forms.CharField(
        label="Notes",
        required=False,
        max_length=5000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="One a line as NAME=VALUE, like contract=2026-114.",
    )

    def current(self) -> dict[str, Any]:
        lines = "\n".join(f"{name}={value}" for name, value in self.row.metadata.items())
        return {"name": self.row.name, "notes_text": lines}

    def clean_notes_text(self) -> str:
        lines = [line.strip() for line in self.cleaned_data["notes_text"].splitlines() if line.strip()]
        if any("=" not in line[1:] for line in lines):
            raise forms.ValidationError("Write each line as NAME=VALUE.")
        return "\n".join(lines)

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        customer_id = values.get("customer_id") or self.row.customer_id
        notes = dict(line.split("=", 1) for line in values["notes_text"].splitlines())
        facts = {"name": values["name"], "metadata": notes, "updated_by": actor, "updated_at": timezone.now()}
        with setting_author(actor=actor, request_id=request_id):
            made = facts | {"id": id_of_customer(self.tenant.pk, customer_id)}
            Customer.objects.update_or_create(tenant=self.tenant, customer_id=customer_id, defaults=facts, create_defaults=made)


class CustomerForm(ChangeCustomerForm):
    field_order = ("customer_id", "name", "notes_text")
    customer_id = text_field("ID", max_length=255, help="The `customer_id` that callers give.")

    def current(self) -> dict[str, Any]:
        return {"customer_id": self.request.GET.get("customer", "")}


@admin.register(Customer)
class CustomerAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("customer_id", "name", "tenant", "updated_by", "updated_at")
    list_select_related = ("tenant",)
    search_fields = ("customer_id", "name")
    search_parts = ("customer_id", "name")
    icon = "group"
    actions_list = ("name_customer",)
    actions_detail = ("change_customer",)
    name_customer = setting_action(CustomerForm, name="name-customer")
    change_customer = setting_action(ChangeCustomerForm, name="change-customer")

    def action_links(self, request: HttpRequest, row: Customer) -> list[dict[str, str]]:
        query = urlencode({"tenant": row.tenant_id, "id": row.customer_id})
        url = f"{reverse('admin:backoffice_customer_page')}?{query}"
        return [{"title": "Balances and timeline", "icon": "account_balance", "url": url}, *super().action_links(request, row)]
