"""Near-duplicates of billing: which of them need attention, and the decision to keep one. A wrong one is reversed by a correction."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from backoffice.models import KeptDuplicate
from billing.admin.pages import FlagFilter, TransactionAdmin
from billing.choices import Flag
from billing.models import Transaction
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import actor_names
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from kernel.tenants.admin import local_time

KEPT = Exists(KeptDuplicate.objects.filter(tenant_id=OuterRef("tenant_id"), transaction_id=OuterRef("pk")))


def undecided(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The flagged entries that nobody has reversed or kept. A partial index holds only flagged ones."""
    return rows.exclude(flags=[]).filter(~KEPT, reversed_by__isnull=True)


class KeepForm(SettingForm):
    title = "Keep: no duplicate"
    description = "The entry stays, and leaves the list of near-duplicates. One that is wrong is reversed instead."
    icon = "check_circle"
    reason = text_field("Why", max_length=1000, help="It is kept with the decision.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        facts = {"reason": values["reason"], "decided_by": actor}
        # The first decision stands.
        KeptDuplicate.objects.get_or_create(tenant_id=self.row.tenant_id, transaction_id=self.row.pk, defaults=facts)


class NearDuplicateFilter(FlagFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Any flag"), (Flag.NEAR_DUPLICATE, "Near-duplicate, undecided"), ("kept", "Near-duplicate, kept")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "kept":
            return queryset.exclude(flags=[]).filter(KEPT)
        rows = super().queryset(request, queryset)
        return undecided(rows) if self.value() == Flag.NEAR_DUPLICATE else rows


admin.site.unregister(Transaction)


@admin.register(Transaction)
class TransactionPages(TransactionAdmin):
    list_filter = (NearDuplicateFilter, *TransactionAdmin.list_filter[1:])
    actions_detail = ("keep_duplicate",)
    keep_duplicate = setting_action(KeepForm, name="keep-duplicate", right="comment")

    def has_comment_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("billing.comment_transaction")

    def action_links(self, request: HttpRequest, row: Transaction) -> list[dict[str, str]]:
        """Nothing is to be kept of an entry that resembles none, or that was decided."""
        links = super().action_links(request, row)
        is_open = bool(row.flags) and undecided(Transaction.objects.filter(tenant_id=row.tenant_id, pk=row.pk)).exists()
        return links if is_open else [each for each in links if each["title"] != KeepForm.title]

    def panels(self, request: HttpRequest, row: Transaction) -> list[Panel]:
        kept = KeptDuplicate.objects.filter(tenant_id=row.tenant_id, transaction_id=row.pk).first() if row.flags else None
        if kept is None:
            return super().panels(request, row)
        who = actor_names([kept.decided_by])[kept.decided_by]
        decision = Panel("Kept: no duplicate", ("By", "When", "Why"), [(who, local_time(kept.decided_at), kept.reason)])
        return [decision, *super().panels(request, row)]


@admin.register(KeptDuplicate)
class KeptDuplicateAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("decided_at", "tenant", "transaction_id", "reason", "decided_by")
    list_select_related = ("tenant",)
    search_fields = ("id", "transaction_id")
