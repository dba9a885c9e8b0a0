"""Near-duplicates of billing: which of them need attention, and the decision to keep one. A wrong one is reversed by a correction."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest

from backoffice.models import KeptDuplicate
from billing.admin.filters import FlagFilter
from billing.admin.pages import TransactionAdmin
from billing.choices import Flag
from billing.models import Transaction
from kernel.corrections.admin.summary import register_comparison
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import actor_names, effect, label, money, row_link
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from kernel.tenants.admin import local_time
from kernel.tenants.staff_scope import VisibleTenants, scope_of

KEPT = Exists(KeptDuplicate.objects.filter(tenant_id=OuterRef("tenant_id"), transaction_id=OuterRef("pk")))


def undecided(rows: QuerySet[Any]) -> QuerySet[Any]:
    """The flagged entries that nobody has reversed or kept. A partial index holds only flagged ones."""
    return rows.exclude(flags=[]).filter(~KEPT, reversed_by__isnull=True)


# What is compared of an entry and the one that it resembles.
COMPARED = ("type", "reference_id", "agent_id", "description", "metadata", "currency")


def pair_panel(row: Transaction, user: Any, scope: VisibleTenants) -> Panel | None:
    """A near-duplicate and the entry that it resembles, side by side; None for an entry without a pair."""
    flagged = Transaction.objects.filter(tenant_id=row.tenant_id)
    if row.near_duplicate_of_id is not None:
        pair = [flagged.filter(id=row.near_duplicate_of_id).first(), row]
    else:
        pair = [row, flagged.exclude(flags=[]).filter(near_duplicate_of_id=row.pk).order_by("-id").first()]
    first, second = pair
    if first is None or second is None:
        return None
    names = actor_names([first.actor, second.actor])
    lines: list[tuple[Any, ...]] = [("Entry", row_link(first), row_link(second), "")]
    lines += [_compared("Change", *(effect(each.effect, each.currency) for each in (first, second)))]
    lines += [_compared("Balance after", *(money(each.balance_after, each.currency) for each in (first, second)))]
    lines += [_compared(name.replace("_", " ").capitalize(), getattr(first, name), getattr(second, name)) for name in COMPARED]
    lines += [_compared(title, *(local_time(getattr(each, name)) for each in (first, second))) for title, name in TIMES]
    lines += [_compared("By", names[first.actor], names[second.actor])]
    apart = (second.occurred_at - first.occurred_at).total_seconds()
    note = f"They happened {abs(apart):,.0f} seconds apart. The later one is flagged." if apart else "They happened at the same moment."
    return Panel("Side by side with the entry that it resembles", ("", "The earlier", "The later", "Differs"), lines, note=note)


TIMES = (("Happened", "occurred_at"), ("Booked", "created_at"))


def _compared(title: str, first: Any, second: Any) -> tuple[Any, ...]:
    return title, first or "-", second or "-", "" if first == second else label("differs", "wait")


register_comparison("billing.transaction", pair_panel)


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
        pair = pair_panel(row, request.user, scope_of(request.user)) if row.flags else None
        panels = [*([pair] if pair else []), *super().panels(request, row)]
        kept = KeptDuplicate.objects.filter(tenant_id=row.tenant_id, transaction_id=row.pk).first() if row.flags else None
        if kept is None:
            return panels
        who = actor_names([kept.decided_by])[kept.decided_by]
        decision = Panel("Kept: no duplicate", ("By", "When", "Why"), [(who, local_time(kept.decided_at), kept.reason)])
        return [decision, *panels]


@admin.register(KeptDuplicate)
class KeptDuplicateAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("decided_at", "tenant", "transaction_id", "reason", "decided_by")
    list_select_related = ("tenant",)
    links = {"transaction_id": "billing.transaction"}
    search_fields = ("id", "transaction_id")
