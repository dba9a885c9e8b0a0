"""The pages of billing's near-duplicates, and of the decision to keep one. A wrong one is reversed by a correction."""

import json
import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.text import capfirst

from backoffice.models import KeptDuplicate
from backoffice.near_duplicates import keep_duplicates, kept_duplicates, undecided_duplicates
from billing.admin.filters import FlagFilter
from billing.admin.pages import TransactionAdmin
from billing.choices import Flag
from billing.models import Transaction, type_label
from billing.selectors import set_type_labels
from kernel.base.empty_values import NOTHING
from kernel.base.field_labels import label_of
from kernel.base.local_time import local_time
from kernel.corrections.admin.summary import register_comparison
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import actor_names, actor_of, effect, label, money, page_of, row_link
from kernel.ledger.admin.settings import SettingForm, setting_action, text_field
from kernel.tenants.staff_scope import VisibleTenants, scope_of

# What is compared of an entry and the one that it resembles.
COMPARED = ("reference_id", "agent_id", "description", "metadata", "currency")
ESCAPED = re.compile(r"(?<!\\)(?:\\u[0-9a-fA-F]{4})+")
TIMES = (("Happened", "occurred_at"), ("Booked", "created_at"))


def pair_panel(row: Transaction, user: Any, scope: VisibleTenants) -> Panel | None:
    """A near-duplicate and the entry that it resembles, side by side; None for an entry without a pair."""
    entries = Transaction.objects.filter(tenant_id=row.tenant_id)
    if row.near_duplicate_of_id is not None:
        pair = [entries.filter(id=row.near_duplicate_of_id).first(), row]
    else:
        pair = [row, entries.exclude(flags=[]).filter(near_duplicate_of_id=row.pk).order_by("-id").first()]
    first, second = pair
    if first is None or second is None:
        return None
    names = actor_names([first.actor, second.actor])
    lines: list[tuple[Any, ...]] = [("Entry", row_link(first), row_link(second), "")]
    lines += [_compared("Change", *(effect(each.effect, each.currency) for each in (first, second)))]
    # Of two entries of a wallet these always differ, which says nothing.
    lines += [("Balance after", *(money(each.balance_after, each.currency) for each in (first, second)), "")]
    set_type_labels([first, second])
    lines += [_compared("Type", type_label(first), type_label(second))]
    titles = {name: capfirst(label_of(Transaction._meta.get_field(name))) for name in COMPARED}
    lines += [_compared(title, *(_text(getattr(each, name)) for each in (first, second))) for name, title in titles.items()]
    lines += [_compared(title, *(local_time(getattr(each, name)) for each in (first, second))) for title, name in TIMES]
    lines += [_compared("By", names[first.actor], names[second.actor])]
    apart = (second.occurred_at - first.occurred_at).total_seconds()
    note = f"They happened {abs(apart):,.0f} seconds apart. The later one is flagged." if apart else "They happened at the same moment."
    return Panel("Side by side with the entry that it resembles", ("", "The earlier", "The later", "Differs"), lines, note=note)


def _text(value: Any) -> Any:
    """A document with the letters that its caller may have written as escapes: `m\\u00fcller` is müller."""
    return ESCAPED.sub(_unescaped_name, value) if isinstance(value, str) else value


def _unescaped_name(found: re.Match[str]) -> str:
    letters = json.loads(f'"{found[0]}"')
    return letters if letters.isprintable() and letters.isidentifier() else found[0]


def _compared(title: str, first: Any, second: Any) -> tuple[Any, ...]:
    return title, first or NOTHING, second or NOTHING, "" if first == second else label("differs", "wait")


register_comparison("billing.transaction", pair_panel)


class KeepForm(SettingForm):
    title = "Keep: no duplicate"
    description = "The entry stays, and leaves the list of near-duplicates. One that is wrong is reversed instead."
    icon = "check_circle"
    reason = text_field("Why", max_length=1000, help="It is kept with the decision.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse | None:
        keep_duplicates([self.row], reason=values["reason"], actor=actor)
        if self.request.GET.get("back"):
            return None
        following = _next_undecided(self.request, self.row)
        if following is None:
            messages.success(self.request, "Kept. It was the last near-duplicate that waited for a decision.")
            return HttpResponseRedirect(f"{reverse('admin:billing_transaction_changelist')}?{urlencode(UNDECIDED)}")
        messages.success(self.request, format_html("{} is kept. This is the next one.", row_link(self.row)))
        return HttpResponseRedirect(page_of("billing.transaction", following.pk))


# The list of those that wait for a decision.
UNDECIDED = {"flag": Flag.NEAR_DUPLICATE.value, "window": "all"}
# Entries that one decision may keep, and those that its page lists.
MAX_CHOSEN, MAX_LISTED = 1000, 100


def _next_undecided(request: HttpRequest, row: Transaction) -> Transaction | None:
    """The one below it in the list, or the first one of the list."""
    rows = undecided_duplicates(scope_of(request.user).limit(Transaction.objects.order_by("-id")))
    return rows.filter(pk__lt=row.pk).first() or rows.first()


class KeepReasonForm(forms.Form):
    reason = text_field("Why", max_length=1000, help="It is kept with each of the decisions.")


@admin.action(description="Keep the selected …")
def keep_selected(page: Any, request: HttpRequest, queryset: QuerySet[Transaction]) -> HttpResponse:
    """Asks for one reason, and keeps those of the selected entries that wait for a decision. The list keeps its filter."""
    rows = list(undecided_duplicates(queryset).order_by("-id")[: MAX_CHOSEN + 1])
    here = request.get_full_path()
    if not 0 < len(rows) <= MAX_CHOSEN:
        text = (
            f"Keep {MAX_CHOSEN:,} at most at a time."
            if rows
            else "None of the selected entries is a near-duplicate that waits for a decision."
        )
        messages.error(request, text)
        return HttpResponseRedirect(here)
    form = KeepReasonForm(request.POST if "reason" in request.POST else None)
    if form.is_valid():
        keep_duplicates(rows, reason=form.cleaned_data["reason"], actor=actor_of(request))
        messages.success(request, f"{len(rows):,} near-duplicate{'' if len(rows) == 1 else 's'} kept.")
        return HttpResponseRedirect(here)
    set_type_labels(rows[:MAX_LISTED])
    context = {
        **page.admin_site.each_context(request),
        "title": f"Keep {len(rows):,} near-duplicates",
        "form": form,
        "rows": [(row_link(row), row.tenant, effect(row.effect, row.currency), local_time(row.occurred_at)) for row in rows[:MAX_LISTED]],
        "unlisted": max(len(rows) - MAX_LISTED, 0),
        "ids": [row.pk for row in rows],
        "left_out": len(request.POST.getlist(ACTION_CHECKBOX_NAME)) - len(rows),
        "back": here,
    }
    return TemplateResponse(request, "backoffice/keep.html", context)


class NearDuplicateFilter(FlagFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Any flag"), (Flag.NEAR_DUPLICATE, "Near-duplicate, undecided"), ("kept", "Near-duplicate, kept")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "kept":
            return kept_duplicates(queryset)
        rows = super().queryset(request, queryset)
        return undecided_duplicates(rows) if self.value() == Flag.NEAR_DUPLICATE else rows


admin.site.unregister(Transaction)


@admin.register(Transaction)
class OfficeTransactionAdmin(TransactionAdmin):
    list_filter = tuple(NearDuplicateFilter if each is FlagFilter else each for each in TransactionAdmin.list_filter)
    actions_detail = ("keep_duplicate",)
    keep_duplicate = setting_action(KeepForm, name="keep-duplicate", right="comment")

    def has_comment_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return request.user.has_perm("billing.comment_transaction")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        name = keep_selected.__name__
        if self.has_comment_permission(request):
            actions[name] = (keep_selected, name, keep_selected.short_description)  # type: ignore[attr-defined]
        return actions

    def action_links(self, request: HttpRequest, row: Transaction) -> list[dict[str, str]]:
        """Nothing is to be kept of an entry that resembles none, or that was decided."""
        links = super().action_links(request, row)
        is_open = bool(row.flags) and undecided_duplicates(Transaction.objects.filter(tenant_id=row.tenant_id, pk=row.pk)).exists()
        return links if is_open else [each for each in links if each["title"] != KeepForm.title]

    def panels(self, request: HttpRequest, row: Transaction) -> list[Panel]:
        pair = pair_panel(row, request.user, scope_of(request.user)) if row.flags else None
        panels = [*([pair] if pair else []), *super().panels(request, row)]
        decided = KeptDuplicate.objects.filter(tenant_id=row.tenant_id, transaction_id=row.pk).first() if row.flags else None
        if decided is None:
            return panels
        who = actor_names([decided.decided_by])[decided.decided_by]
        decision = Panel("Kept: no duplicate", ("By", "When", "Why"), [(who, local_time(decided.decided_at), decided.reason)])
        return [decision, *panels]


@admin.register(KeptDuplicate)
class KeptDuplicateAdmin(LedgerAdmin):
    in_sidebar = False
    list_display = ("decided_at", "tenant", "transaction_id", "reason", "decided_by")
    field_labels = {"transaction_id": "entry"}
    list_select_related = ("tenant",)
    links = {"transaction_id": "billing.transaction"}
    search_fields = ("id", "transaction_id")
