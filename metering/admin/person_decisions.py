"""The rounds in which calls asked for authorization, and the decisions that wait for a person."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import row_link
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from metering import services
from metering.models import Transaction
from metering.rules.choices import RequestStatus
from metering.rules.models import AuthorizationRequest
from metering.rules.selectors.executions import DENIED, REQUEST, with_executions

# Rounds shown on a transaction's page.
MAX_ROWS = 50


def rounds_of(transaction: Transaction) -> list[Panel]:
    """The rounds in which it asked for authorization, where rules decided."""
    rows = AuthorizationRequest.objects.filter(tenant_id=transaction.tenant_id, transaction_id=transaction.pk).order_by("-round")[:MAX_ROWS]
    lines = [
        (
            row_link(row, f"Round {row.round}"),
            row.get_status_display(),
            row.decline_reason or NOTHING,
            local_time(row.decided_at),
            local_time(row.passes_at),
        )
        for row in rows
    ]
    headers = ("Round", "Status", "Reason", "Decided", "Passes from")
    return [Panel("Decided by spending rules", headers, lines)] if lines else []


class DecisionForm(SettingForm):
    """What a person decides on a call that a rule left to people."""

    allows: ClassVar[bool]
    reason = text_field("Why", help="It is kept with the decision.", max_length=1000)

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        keys = {"tenant_id": self.row.tenant_id, "transaction_id": self.row.transaction_id}
        services.decide_waiting(**keys, actor=actor, request_id=request_id, allow=self.allows, reason=values["reason"])


class AllowForm(DecisionForm):
    title = "Allow the call"
    description = "The rules decide again, without the denials that it waits for. A limit that is used up otherwise still denies it."
    icon = "check_circle"
    allows = True


class DenyForm(DecisionForm):
    title = "Deny the call"
    description = "The call is denied for good."
    icon = "block"
    is_destructive = True
    allows = False


@admin.register(AuthorizationRequest)
class AuthorizationRequestAdmin(LedgerAdmin):
    """Rounds of authorization: those that the rules of a tenant decided, or that wait for a person."""

    list_display = ("created_at", "tenant", "transaction", "round", "status", "decline_reason", "decided_at")
    list_select_related = ("tenant", "transaction")
    list_filter = ("status",)
    search_fields = ("id", "transaction")
    currency_path = "payment_currency"
    json_fields = ("executions",)
    icon = "gavel"
    actions_detail = ("allow_call", "deny_call")
    allow_call = setting_action(AllowForm, name="allow-call", right="decide")
    deny_call = setting_action(DenyForm, name="deny-call", right="decide")

    def lead(self, row: AuthorizationRequest) -> list[str]:
        if row.status != RequestStatus.PREPARING:
            return []
        request = AuthorizationRequest.objects.filter(tenant_id=row.tenant_id, pk=row.pk).values(*REQUEST)
        [whole] = with_executions(list(request), tenant_id=row.tenant_id)
        reasons = [f"{each['rule_name']}: {each['reason']}" for each in whole["rule_executions"] if each["decision"] == DENIED]
        return ["It waits for a person.", *reasons]

    def action_links(self, request: HttpRequest, row: AuthorizationRequest) -> list[dict[str, str]]:
        """Nothing is left to decide but on what waits."""
        return super().action_links(request, row) if row.status == RequestStatus.PREPARING else []
