"""What an approver reads before the numbers: what is asked in words, the rows' own facts, and what else the requester did that day."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kernel.base.local_time import local_time
from kernel.corrections.admin.moved_amounts import MAX_OF_DAY, account_link, moved_links, sums_of_day
from kernel.corrections.admin.related import kind_title
from kernel.corrections.choices import STATE_COLOURS, State
from kernel.corrections.kinds import FormField, Kind, get_kind
from kernel.corrections.models import CorrectionEntry, CorrectionLine, CorrectionRequest
from kernel.corrections.selectors import list_requests_of_day
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.figures import figure_url, has_figure
from kernel.ledger.admin.formatting import id_link, label, link, model_name, money, row_link
from kernel.ledger.admin.panels import PanelSource
from kernel.tenants.staff_scope import scope_of

# Rows whose facts the page shows, and accounts that its sentence names.
MAX_FACTS, MAX_ACCOUNTS = 3, 3
_COMPARISONS: dict[str, PanelSource] = {}


def register_comparison(model_label: str, source: PanelSource) -> None:
    """Show a row that is corrected beside another one that it may be a duplicate of."""
    _COMPARISONS[model_label] = source


def kind_of(correction: CorrectionRequest) -> Kind | None:
    """None where the app that registered the kind is no longer installed; its requests must stay readable."""
    try:
        return get_kind(correction.kind)
    except KeyError:
        return None


def rows_of(lines: Sequence[CorrectionLine]) -> list[models.Model]:
    """The first rows that are corrected, in the order of the request."""
    if not lines:
        return []
    ids = [line.target_id for line in lines[:MAX_FACTS]]
    found = {row.pk: row for row in apps.get_model(lines[0].target_label)._base_manager.filter(pk__in=ids)}
    return [found[identifier] for identifier in ids if identifier in found]


def sentences(
    correction: CorrectionRequest,
    *,
    requested_by: Any,
    lines: Sequence[CorrectionLine],
    rows: Sequence[Any],
    entries: Sequence[CorrectionEntry],
) -> list[SafeString]:
    """What is asked, and what becomes of each account."""
    kind = kind_of(correction)
    title = kind_title(correction.kind)
    phrase = (kind.phrase if kind else "") or f"{title[:1].lower()}{title[1:]} {{rows}}"
    before, _, after = phrase.partition("{rows}")
    verb = "asks to" if correction.needs_approval else "has posted this:"
    return [
        format_html("{} {} {}{}{}.", requested_by, verb, before, _named(lines, rows), after),
        *(_outcome(steps) for steps in list(_by_account(entries).values())[:MAX_ACCOUNTS]),
    ]


def _named(lines: Sequence[CorrectionLine], rows: Sequence[Any]) -> SafeString:
    if len(lines) == 1 and rows:
        return format_html("the {} {}", model_name(lines[0].target_label), row_link(rows[0]))
    plural = apps.get_model(lines[0].target_label)._meta.verbose_name_plural if lines else "rows"
    return format_html("{} {}", len(lines), plural)


def _by_account(entries: Iterable[CorrectionEntry]) -> Mapping[Any, list[CorrectionEntry]]:
    accounts: dict[Any, list[CorrectionEntry]] = {}
    for entry in entries:
        accounts.setdefault((entry.account_id, entry.account_name, entry.unit), []).append(entry)
    return accounts


def _outcome(entries: Sequence[CorrectionEntry]) -> SafeString:
    first, last = entries[0], entries[-1]
    change = sum((entry.effect for entry in entries), Decimal(0))
    if not change:
        return format_html("{}: {}; no balance changes.", first.account_name, first.what)
    verb = "gets" if change > 0 else "loses"
    moved, before, after = (money(amount, first.unit) for amount in (abs(change), first.balance_before, last.balance_after))
    if first.entry_id and has_figure(first.entry_label, "correction"):
        # Once it is posted, the amount leads to the entries that it adds up.
        moved = link(figure_url(first.entry_label, "correction", correction_id=first.request_id, account_id=first.account_id), moved)
    else:
        moved = account_link(first.request_id, first.account_id, moved)
    account = id_link(first.account_label, first.account_id, first.account_name)
    return format_html("{} {} {}: from {} to {}.", account, verb, moved, before, after)


def fact_cards(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Each row with its own facts, as its page has them."""
    cards = []
    page: Any = admin.site._registry.get(type(rows[0])) if rows else None
    if isinstance(page, LedgerAdmin):
        page.read_related(list(rows))
    for row in rows:
        fields = page.page_fields(row)["fields"] if isinstance(page, LedgerAdmin) else []
        text = f"{model_name(row._meta.label_lower).capitalize()} {row}"
        cards.append({"title": id_link(row._meta.label_lower, row.pk, text), "fields": fields})
    return cards


def comparisons(request: HttpRequest, lines: Sequence[CorrectionLine], rows: Sequence[Any]) -> list[Panel]:
    if not lines or (source := _COMPARISONS.get(lines[0].target_label)) is None:
        return []
    found = (source(row, request.user, scope_of(request.user)) for row in rows)
    return [panel for panel in found if panel is not None]


def day_panel(correction: CorrectionRequest, *, requested_by: Any) -> Panel:
    """What the requester posted, or asks for, within 24 hours, and its sum: many small corrections are one large one."""
    of_requester: dict[str, Any] = {"tenant_id": correction.tenant_id, "actor": correction.requested_by}
    requests = list(list_requests_of_day(**of_requester)[: MAX_OF_DAY + 1])
    rows = [
        (
            row_link(each),
            label(each.get_state_display(), STATE_COLOURS[State(each.state)]),
            kind_title(each.kind),
            moved_links(each),
            each.reason,
            local_time(each.created_at),
        )
        for each in requests[:MAX_OF_DAY]
    ]
    # Each sum has a comma of its own.
    sums = format_html_join("; ", "{} {}", sums_of_day(requests[:MAX_OF_DAY], **of_requester))
    more = f" Only the newest {MAX_OF_DAY} are counted and listed." if len(requests) > MAX_OF_DAY else ""
    note = format_html("{}{}", sums or "Nothing that moves money.", more)
    title = format_html("{} within 24 hours", requested_by)
    return Panel(title, ("Request", "State", "What", "Moves", "Reason", "Requested"), rows, empty="Nothing.", note=note)


def described_facts(correction: CorrectionRequest) -> list[tuple[str, Any]]:
    """The kind's own values under the labels of its form, choices by their labels, and rows as links."""
    kind = kind_of(correction)
    fields = {field.name: field for field in kind.fields} if kind else {}
    return [
        (fields[name].label if name in fields else name.replace("_", " ").capitalize(), _described(fields.get(name), value))
        for name, value in correction.facts.items()
    ]


def _described(field: FormField | None, value: str) -> Any:
    if field is None:
        return value
    if field.model_label:
        row = apps.get_model(field.model_label)._base_manager.filter(pk=value).first()
        return row_link(row) if row is not None else value
    return dict(field.choices).get(value, value)
