"""Which rows of a list a search finds: those with exactly the text first, then those that begin with it, then those that have it in them.

An index leads to exact values and to beginnings, over all time, and to amounts where the table has one (`has_amount_index`). Text in the
middle of a value, and amounts elsewhere, have none: the whole table is read if that takes no longer than SEARCH_MS, else its newest rows
(NEWEST), and `note_of_newest` says so.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, QuerySet

from kernel.ledger.admin.field_filters import in_range
from kernel.ledger.admin.search_terms import NAMES, SearchTerms, folded, stated_amounts, whole_amounts
from kernel.ledger.admin.text_conditions import begins, has
from kernel.ledger.admin.time_limits import TookTooLong, time_limit
from kernel.ledger.base_models import TenantOwned
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants, scope_of

SEARCH_MS = 200
NEWEST = 50_000
# With more matches than this a search filters by the condition itself instead of by the ids that it found.
MAX_MATCHES = 1000
# A search names so many tenants by their ids. The ids of more come from a subquery, which Django compiles anew for each list.
MAX_NAMED_TENANTS = 100
# A smaller table is read as a whole without a limit: to set one takes longer. One that is larger than the most can't be read within it.
SMALL_TABLE_BYTES, MOST_TABLE_BYTES = 4 * 1024**2, 512 * 1024**2
# On Citus tables have no size here.
TABLE_SIZES = """
SELECT relname, pg_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND current_setting('citus.version', true) IS NULL
"""
NOTHING = Q(pk__in=[])
# Values that a name such as `agent:` may mean, from a part of it: (text, tenants) -> exact values.
_NAMED: dict[str, Callable[[str, VisibleTenants], list[str]]] = {}


@dataclass
class Found:
    """`ids`, the best first; `condition`: the rows, where there are more than MAX_MATCHES; `is_complete`: the whole table was read."""

    ids: list[UUID] = field(default_factory=list)
    condition: Q | None = None
    is_complete: bool = True

    @property
    def rows(self) -> Q:
        found = Q(pk__in=self.ids)
        return found if self.condition is None else found | self.condition

    def add(self, ids: list[UUID]) -> None:
        known = set(self.ids)
        self.ids += [each for each in ids if each not in known]


def register_name(name: str, source: Callable[[str, VisibleTenants], list[str]]) -> None:
    """Ask this for the exact values that a part of a name means: `agent:writ` is `writer`."""
    _NAMED[name] = source


def find_rows(page: Any, request: Any, terms: SearchTerms, *, most: int = MAX_MATCHES, deadline: float | None = None) -> Found | None:
    """The rows of a list; None if its table has nothing that the search asks for. `deadline`: of time.monotonic(), for all its queries."""
    rows = page.get_queryset(request).order_by()
    narrow = _narrowed(page, request, rows, terms)
    if narrow is None:
        return None
    # Without a text, amounts are what is looked for: they don't narrow.
    is_narrow = bool(narrow if terms.text else terms.named or terms.period)
    finder = _Finder(page, request, rows, most=most, deadline=deadline, is_narrow=is_narrow)
    found = Found()
    if not terms.text:
        finder.add_matches(found, narrow, by_index=bool(terms.amounts) and page.has_amount_index)
        return found
    for name in page.search_fields:
        equal = equal_to(rows, name, terms.text)
        finder.look_up(found, NOTHING if equal == NOTHING else narrow & equal, by_tenant=name != "id")
    if found.ids and _is_id(terms.text):
        return found
    for name in page.search_parts:
        if name in page.search_fields:
            finder.look_up(found, narrow & begins(name, terms.text))
    if terms.text_amounts and page.search_amounts:
        finder.add_matches(found, narrow & _with_amounts(page, terms.text_amounts), by_index=page.has_amount_index)
    if page.search_parts and len(found.ids) < most:
        finder.add_matches(found, narrow & _has_words(page, request, terms))
    if terms.near_amounts and page.search_amounts and len(found.ids) < most:
        finder.add_matches(found, narrow & _with_amounts(page, terms.near_amounts), by_index=page.has_amount_index)
    return found


class _Finder:
    """`is_narrow`: something narrows the rows for which there may be an index."""

    def __init__(self, page: Any, request: Any, rows: QuerySet[Any], *, most: int, deadline: float | None, is_narrow: bool) -> None:
        self.rows, self.request, self.most, self.deadline, self.is_narrow = rows, request, most, deadline, is_narrow
        # The rows as they are before a search: what an index of the list's order finds.
        self.order = page.ordering
        self.has_tenant = issubclass(page.model, TenantOwned)

    def look_up(self, found: Found, condition: Q, *, by_tenant: bool = True) -> None:
        """By an index. All begin with the tenant, so each tenant is searched by itself."""
        if condition == NOTHING:
            return
        rows = self._of_each_tenant() if by_tenant else self.rows
        self._add(found, condition, list(rows.filter(condition).values_list("pk", flat=True)[: self.most + 1]))

    def _of_each_tenant(self) -> QuerySet[Any]:
        if not self.has_tenant:
            return self.rows
        ids = _tenant_ids(self.request)
        return self.rows.filter(tenant__in=Tenant.objects.all() if ids is None else ids)

    def add_matches(self, found: Found, condition: Q, *, by_index: bool = False) -> None:
        """In the whole table, or in its newest rows if that takes too long.

        `by_index`: an index of each tenant has the condition. In the order of the list, the planner would rather read the whole table.
        """
        size = _table_size(self.request, self.rows.model._meta.db_table)
        rows = self._of_each_tenant() if by_index else self.rows.order_by(*self.order)
        wanted = rows.filter(condition).values_list("pk", flat=True)[: self.most + 1]
        try:
            if size is not None and size > MOST_TABLE_BYTES and not (by_index or self.is_narrow):
                raise TookTooLong
            with nullcontext() if size is not None and size < SMALL_TABLE_BYTES else time_limit(self._left_ms()):
                self._add(found, condition, list(wanted))
        except TookTooLong:
            found.is_complete = False
            rows = newest_of(self.rows, self.order).filter(condition).order_by(*self.order)
            found.add(list(rows.values_list("pk", flat=True)[: self.most]))

    def _add(self, found: Found, condition: Q, ids: list[UUID]) -> None:
        if len(ids) > self.most:
            found.condition = condition if found.condition is None else found.condition | condition
        found.add(ids[: self.most])

    def _left_ms(self) -> int:
        if self.deadline is None:
            return SEARCH_MS
        return min(SEARCH_MS, max(int((self.deadline - time.monotonic()) * 1000), 20))


def newest_of(rows: QuerySet[Any], order: Any) -> QuerySet[Any]:
    """The newest rows only. The index of the order finds where they begin, so that the table is read from there on, in one piece."""
    column = order[0].lstrip("-")
    first = rows.order_by(*order).values_list(column, flat=True)[NEWEST - 1 : NEWEST].first()
    return rows if first is None else rows.filter(**{f"{column}__gte": first})


def note_of_newest(terms: SearchTerms) -> str:
    """What a page says where not all rows were looked at, and how to find the others."""
    what = "Amounts" if terms.amounts and not terms.text else "Amounts, parts and words" if terms.amounts else "Parts and words"
    advice = "Older rows are found with more words: a tenant:, customer:, agent: or date, or the beginning of a reference."
    return f"{what} were looked for in the newest {NEWEST:,} rows only. {advice}"


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


# ---- conditions


def _narrowed(page: Any, request: Any, rows: QuerySet[Any], terms: SearchTerms) -> Q | None:
    """What names, amounts and dates ask for; None if the table has no such column."""
    condition = Q()
    for name, value in terms.named.items():
        one = _named(page, request, rows, name, value)
        if one is None:
            return None
        condition &= one
    if terms.amounts:
        if not page.search_amounts:
            return None
        condition &= _with_amounts(page, terms.amounts)
    if terms.period is not None:
        column = page.search_time
        if not column:
            return None
        condition &= Q(**{f"{column}__gte": terms.period.since, f"{column}__lt": terms.period.until})
    return condition


def _named(page: Any, request: Any, rows: QuerySet[Any], name: str, value: str) -> Q | None:
    if name == "tenant":
        return _of_tenant(request, value) if issubclass(page.model, TenantOwned) else None
    columns = page.search_names().get(name, ())
    if not columns:
        return None
    condition = Q(pk__in=[])
    for column in columns:
        if name in _NAMED:
            condition |= Q(**{f"{column}__in": values_of(request, rows, name, column, value)})
        elif name == "currency":
            condition |= Q(**{column: value.upper() if len(value) == 3 else value})
        else:
            condition |= begins(column, value) | has((column,), value)
    return condition


def values_of(request: Any, rows: QuerySet[Any], name: str, column: str, text: str) -> list[str]:
    """The values that a name may mean in a column: the text itself, its choices that are called so, and what a part of a name means."""
    choices = getattr(get_fields_from_path(rows.model, column)[-1], "flatchoices", ())
    called = [str(code) for code, label in choices if folded(text) in (folded(str(label)), folded(str(code)))]
    return list(dict.fromkeys([text, *called, *(_meant(request, name, text, scope_of(request.user)) if name in _NAMED else ())]))


def _meant(request: Any, name: str, text: str, scope: VisibleTenants) -> list[str]:
    """What a part of a name means, read once for all the lists that one search looks in."""
    known: dict[tuple[str, str], list[str]] = request.__dict__.setdefault("names_of_search", {})
    if (name, text) not in known:
        known[name, text] = _NAMED[name](text, scope)
    return known[name, text]


def _tenant_ids(request: Any) -> list[UUID] | None:
    """The tenants that the reader may see, read once for all the lists that one search looks in; None if they are too many to name."""
    if not hasattr(request, "tenant_ids_of_search"):
        ids = list(scope_of(request.user).limit(Tenant.objects.all()).order_by().values_list("pk", flat=True)[: MAX_NAMED_TENANTS + 1])
        request.tenant_ids_of_search = ids if len(ids) <= MAX_NAMED_TENANTS else None
    found: list[UUID] | None = request.tenant_ids_of_search
    return found


def _table_size(request: Any, table: str) -> int | None:
    """In bytes, asked once for all the lists that one search looks in; None where it isn't known."""
    if not hasattr(request, "table_sizes_of_search"):
        with connection.cursor() as cursor:
            cursor.execute(TABLE_SIZES)
            request.table_sizes_of_search = dict(cursor.fetchall())
    sizes: dict[str, int] = request.table_sizes_of_search
    return sizes.get(table)


def _of_tenant(request: Any, text: str) -> Q:
    """Rows of the tenants with the text in their name, which are read once for all the lists that one search looks in."""
    known: dict[str, list[UUID]] = request.__dict__.setdefault("tenants_of_search", {})
    if text not in known:
        tenants = scope_of(request.user).limit(Tenant.objects.filter(has(("name", "slug"), text)))
        known[text] = list(tenants.values_list("pk", flat=True)[:MAX_MATCHES])
    return Q(tenant_id__in=known[text])


def _with_amounts(page: Any, amounts: Any) -> Q:
    condition = Q(pk__in=[])
    for column in page.search_amounts:
        for least, most in amounts:
            condition |= in_range(column, least, most, is_signed=page.has_signed_amounts)
    return condition


def equal_to(rows: QuerySet[Any], name: str, term: str) -> Q:
    """Rows with this value; none if a column of this type can't hold it, because comparing a UUID with other text raises an error."""
    column = get_fields_from_path(rows.model, name)[-1]
    try:
        rows.filter(**{name: term})
        column.run_validators(column.to_python(term))
    except (ValidationError, ValueError, TypeError):
        return NOTHING
    return Q(**{name: term})


def _has_words(page: Any, request: Any, terms: SearchTerms) -> Q:
    """Rows that have every word in one of the columns that are searched for parts, or as the name of their agent, customer or type.

    A word with decimals may be the amount. Where something else narrows the rows (another word, a date, an amount), a word may also be of
    the tenant's name, a whole amount, the name of a column that the table has, or a state of the row: `invoice 417`, `7350.25 refunded`.
    """
    words = terms.text.split()
    is_narrow = not terms.is_plain
    any_word, every_word = Q(pk__in=[]), Q()
    for word in words:
        one = has(page.search_parts, word) | _has_name(page, request, word) | _with_amounts(page, stated_amounts(word))
        any_word |= one
        every_word &= one | _beside_others(page, request, word) if len(words) > 1 or is_narrow else one
    return every_word if is_narrow else any_word & every_word


def _beside_others(page: Any, request: Any, word: str) -> Q:
    tenants = _of_tenant(request, word) if issubclass(page.model, TenantOwned) else Q(pk__in=[])
    state = page.search_states.get(folded(word), Q(pk__in=[]))
    is_column = folded(word) in NAMES and bool(page.search_names().get(folded(word)))
    return tenants | _with_amounts(page, whole_amounts(word)) | state | (~Q(pk__in=[]) if is_column else Q(pk__in=[]))


def _has_name(page: Any, request: Any, word: str) -> Q:
    """Rows whose agent or customer has the word in its name, or whose type it is: what `agent:`, `customer:` and `type:` find."""
    condition, scope = Q(pk__in=[]), scope_of(request.user)
    for name, column in ((name, column) for name, columns in page.search_names().items() for column in columns):
        if name == "type":
            # Its whole label: a part of one, such as an a, is in many.
            condition |= Q(**{f"{column}__in": values_of(request, page.get_queryset(request), "type_is", column, word)})
        elif name in _NAMED and (values := _meant(request, name, word, scope)):
            condition |= Q(**{f"{column}__in": values})
    return condition
