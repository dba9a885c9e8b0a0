"""What opens a tenant's wallet without a call of the API: the correction of its first top-up."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action

from kernel.corrections.admin.correction_actions import request_url
from kernel.corrections.choices import REQUEST_PERMISSION
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.settings import TenantChoiceForm


class WalletOpening(LedgerAdmin):
    """Base class of the list of wallets, with its action "Open a wallet"."""

    actions_list = ("open_wallet",)

    @action(  # type: ignore[untyped-decorator] # Unfold's own has no types
        description="Open a wallet", icon="add", permissions=["request"], url_path="open-wallet"
    )
    def open_wallet(self, request: HttpRequest) -> HttpResponseBase:
        """Asks for the tenant, and leads to the form of the correction that opens the wallet."""
        choice = TenantChoiceForm(request.GET or None, request=request)
        if choice.is_valid():
            return HttpResponseRedirect(request_url("billing.open_wallet", choice.cleaned_data["tenant"].pk))
        back = reverse("admin:billing_wallet_changelist")
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Open a wallet", "form": choice, "back": back}
        return TemplateResponse(request, "ledger/setting_tenant.html", context)

    def has_request_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm(REQUEST_PERMISSION)
