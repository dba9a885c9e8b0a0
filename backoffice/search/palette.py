"""What the command palette finds: customers, agents, entries, calls, credits and every other row, in groups, the best of each first.

Nothing is cached, and every query is limited to the tenants and the tables that the reader may see. All queries of one search together
take SEARCH_SECONDS at most; what is left unread then is said.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

from backoffice.customers.id_search import USAGE_PERMISSION, customers_beginning_with, customers_containing
from backoffice.customers.links import customer_url
from backoffice.models import Customer
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.search_terms import SearchTerms, exchanged_digits, folded, read_amounts, read_terms
from kernel.ledger.admin.searching import find_rows, note_of_newest
from kernel.ledger.admin.text_conditions import has, has_words
from kernel.tenants.admin.read_only import ReadOnly
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

# Rows shown of each group of results; the group's list page shows all of them.
SHOWN = 5
SEARCH_SECONDS = 0.3
# The advice to search for a shorter part is given for texts of so many characters or more.
LENGTH_TO_SHORTEN = 4
# How long the search for a part of a customer's id may take, in milliseconds.
CUSTOMER_PART_MS = 200
# The tables that people search, in the order of their groups; all others come after them.
FIRST = (
    "tenants.tenant",
    "metering.agent",
    "billing.transaction",
    "credits.credittransaction",
    "credits.grant",
    "metering.transaction",
    "metering.cost",
    "billing.wallet",
    "billing.wallethold",
    "credits.hold",
    "metering.service",
)
# Lists that a date alone leads to.
BY_TIME = ("billing.transaction", "metering.transaction", "credits.credittransaction", "credits.grant")


@dataclass(frozen=True)
class Hit:
    title: str
    line: Any
    link: str
    icon: str


@dataclass
class Group:
    """`more`: the list with all that was found, if there is more than the hits."""

    title: str
    hits: list[Hit] = field(default_factory=list)
    more: str = ""

    def all_hits(self) -> list[Hit]:
        """The hits, and what leads to the list of all of them."""
        return [*self.hits, Hit("All that was found", "", self.more, "arrow_forward")] if self.more else self.hits


@dataclass
class Results:
    """`note`: what was left unread; `hint`: what may find more, where nothing was found."""

    groups: list[Group] = field(default_factory=list)
    note: str = ""
    hint: str = ""


def search(request: HttpRequest, typed: str) -> Results:
    """All groups with something in them."""
    if "\0" in typed:
        return Results()
    terms = read_terms(typed)
    results = Results()
    customers, is_complete = find_customers(request, terms)
    if customers:
        results.groups.append(Group("Customers", customers))
    if terms.period is not None and not (terms.text or terms.named or terms.amounts):
        results.groups.append(Group(f"Everything of {terms.period.title}", list(_lists_of(request, typed))))
        return results
    deadline = time.monotonic() + SEARCH_SECONDS
    for page in _pages(request):
        group, is_whole = _group(request, page, typed, terms, deadline)
        is_complete &= is_whole
        if group is not None:
            results.groups.append(group)
    if not results.groups:
        results.groups += _with_exchanged_digits(request, terms)
        results.hint = _hint(terms)
    if not is_complete:
        results.note = note_of_newest(terms)
    return results


def _hint(terms: SearchTerms) -> str:
    words = terms.text.split()
    if len(words) > 1:
        return "All words must be in one row: fewer of them may find more."
    if any(
        len(value) >= LENGTH_TO_SHORTEN and not value.isdecimal() and not read_amounts(value) for value in [*words, *terms.named.values()]
    ):
        return "A shorter part of it may find more."
    return ""


def _with_exchanged_digits(request: HttpRequest, terms: SearchTerms) -> Iterator[Group]:
    """For an amount that no row has: the amounts with two digits the other way round that some row has."""
    exact = [least for least, most in (*terms.amounts, *terms.text_amounts) if least == most]
    near = [(each, each) for amount in exact for each in exchanged_digits(amount)]
    if not near:
        return
    # The words beside an amount still narrow; a text that is the amount itself doesn't.
    likely = replace(terms, text="" if terms.text_amounts else terms.text, amounts=near, text_amounts=())
    deadline = time.monotonic() + SEARCH_SECONDS
    for page in _pages(request):
        if page.model._meta.label_lower in BY_TIME and (group := _group(request, page, "", likely, deadline)[0]):
            titles = [f"{hit.title}: digits exchanged?" for hit in group.hits]
            hits = [replace(hit, title=title) for hit, title in zip(group.hits, titles, strict=True)]
            yield Group(f"No such amount. {group.title} with near ones", hits)


def _pages(request: HttpRequest) -> list[Any]:
    """The lists that the reader may see, those that people search most first."""
    order = {label: place for place, label in enumerate(FIRST)}
    pages: list[Any] = [page for page in admin.site._registry.values() if isinstance(page, ReadOnly) and getattr(page, "in_sidebar", True)]
    seen = [page for page in pages if page.has_view_permission(request) and page.get_search_fields(request)]
    return sorted(seen, key=lambda page: order.get(page.model._meta.label_lower, len(order)))


def _group(request: HttpRequest, page: Any, typed: str, terms: SearchTerms, deadline: float) -> tuple[Group | None, bool]:
    if not isinstance(page, LedgerAdmin):
        if not terms.is_plain:
            return None, True
        rows, _ = page.get_search_results(request, page.get_queryset(request).order_by(), typed)
        ids, is_complete = list(rows.values_list("pk", flat=True)[: SHOWN + 1]), True
    else:
        found = find_rows(page, request, terms, most=SHOWN + 1, deadline=deadline)
        if found is None:
            return None, True
        ids, is_complete = found.ids, found.is_complete
    if not ids:
        return None, is_complete
    rows = page.get_queryset(request).filter(pk__in=ids[:SHOWN])
    related = [name for name in page.get_list_select_related(request) if name]
    by_id = {row.pk: row for row in (rows.select_related(*related) if related else rows)}
    hits = [_hit(page, by_id[each]) for each in ids[:SHOWN] if each in by_id]
    more = f"{_list_of(page)}?{urlencode({'q': typed})}" if len(ids) > SHOWN else ""
    return Group(_title_of(page), hits, more), is_complete


def _hit(page: Any, row: Any) -> Hit:
    line = page.search_line(row) if isinstance(page, LedgerAdmin) else ""
    url = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_change", args=(row.pk,))
    return Hit(str(row), line, url, getattr(page, "icon", "table_rows"))


def _title_of(page: Any) -> str:
    return capfirst(f"{page.opts.app_config.verbose_name}: {page.opts.verbose_name_plural}")


def _list_of(page: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")


def _lists_of(request: HttpRequest, typed: str) -> Iterator[Hit]:
    """The lists of a period."""
    for page in _pages(request):
        if page.model._meta.label_lower in BY_TIME:
            yield Hit(_title_of(page), "", f"{_list_of(page)}?{urlencode({'q': typed})}", getattr(page, "icon", "table_rows"))


def find_customers(request: HttpRequest, terms: SearchTerms) -> tuple[list[Hit], bool]:
    """Customers whose id or name has the words in it: those that have exactly the text first, then those that begin with it.

    Also whether there was time to look at all of them.
    """
    text = terms.named.get("customer", "") or terms.text
    if not text or terms.amounts or terms.named.keys() - {"customer", "tenant"} or not request.user.has_perm("credits.view_grant"):
        return [], True
    scope = scope_of(request.user)
    tenants = Q()
    if "tenant" in terms.named:
        tenants = Q(tenant__in=Tenant.objects.filter(has(("name", "slug"), terms.named["tenant"])))
    named = scope.limit(Customer.objects.filter(tenants, has_words(("name", "customer_id"), text)))
    is_complete = True
    found = {(row.tenant_id, row.customer_id): row.name for row in named[: 4 * SHOWN]}
    for key in customers_beginning_with(text, scope, tenants):
        found.setdefault(key, "")
    if len(found) < SHOWN:
        with_usage = request.user.has_perm(USAGE_PERMISSION)
        parts, is_complete = customers_containing(
            text, scope, tenants, most=4 * SHOWN, milliseconds=CUSTOMER_PART_MS, with_usage=with_usage
        )
        for key in parts:
            found.setdefault(key, "")
    names = dict(Tenant.objects.filter(pk__in={tenant_id for tenant_id, _ in found}).values_list("pk", "name"))
    ranked = sorted(found.items(), key=lambda each: (_rank(text, each[0][1], each[1]), each[0][1]))[:SHOWN]
    known = scope.limit(Customer.objects.filter(customer_id__in=[customer_id for (_, customer_id), _ in ranked]))
    called = {(row.tenant_id, row.customer_id): row.name for row in known}
    hits = [Hit(called.get(key) or key[1], f"{key[1]} · {names[key[0]]}", customer_url(key[0], key[1]), "group") for key, _ in ranked]
    return hits, is_complete


def _rank(text: str, *values: str) -> int:
    """0: exactly the text, 1: begins with it, 2: a word of it does, 3: it is in the middle."""
    wanted, given = folded(text), [folded(value) for value in values if value]
    if wanted in given:
        return 0
    if any(value.startswith(wanted) for value in given):
        return 1
    return 2 if any(f" {wanted}" in value for value in given) else 3
