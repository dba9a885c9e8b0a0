"""Keyset pages: page one and page one million cost the same. Cursors are signed for one list of one tenant.

The most rows of a page are the `limit` of each list in `<app>/api/filters.py`, nearly always a `PageLimit` of query_fields.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

from kernel.api.problems import Refused

# The size of a page of rows, unless a list says otherwise.
MAX_ROWS = 100
DEFAULT_ROWS = 20
MAX_CURSOR_LENGTH = 1000
# The same for a page of groups, whose cursors hold the beginnings of their values.
MAX_GROUP_CURSOR_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page in the list's order. `next` and `previous` are cursors for `after` and `before`, None at either end.

    `has_next`: whether there are rows behind the page now; in a list that grows at its end, `next` is there without them.
    """

    rows: list[Any]
    limit: int
    next: str | None
    previous: str | None
    has_next: bool


def page_of(
    queryset: "QuerySet[Any, Any]",
    *,
    limit: int,
    scope: str,
    key: Sequence[str] = ("id",),
    after: str | None = None,
    before: str | None = None,
    descending: bool = True,
    grows: bool = False,
) -> Page:
    """The page behind `after`, or the one ending at `before`, of a selector's queryset (of `values()` or of rows).

    `grows`: rows are added at the list's end, so that its last page has a cursor as well, from which the caller reads on later.

    `key` must be unique, with an index on it; it is compared as one row value. `scope` names the list and its tenant: a cursor of
    another scope is refused. Raises Refused (bad_cursor) with the fact `name`: after or before.
    """
    if after and before:
        raise Refused("bad_cursor", name="before")
    backward = bool(before)
    downward = descending is not backward
    if after or before:
        place = _place(cursor=after or before or "", scope=scope, name="before" if backward else "after", size=len(key))
        queryset = _after_place(queryset, key=key, place=place, downward=downward)
    rows = list(queryset.order_by(*(f"-{name}" if downward else name for name in key))[: limit + 1])
    more = len(rows) > limit
    del rows[limit:]
    if backward:
        rows.reverse()
    has_next = bool(rows) and (more or backward)
    has_previous = bool(rows) and (more if backward else bool(after))
    following = _cursor(row=rows[-1], key=key, scope=scope) if has_next or (grows and rows) else None
    return Page(
        rows=rows,
        limit=limit,
        next=following or (after if grows else None),
        previous=_cursor(row=rows[0], key=key, scope=scope) if has_previous else None,
        has_next=has_next,
    )


def page_of_groups(
    fetch: Callable[[list[Any] | None, int], list[Any]], *, limit: int, scope: str, key: str, size: int, after: str | None = None
) -> Page:
    """The page behind `after` of rows that are no queryset's. `fetch` takes the place of the row before the page, or None, and how many
    rows to return; a row has its own place, a list of `size` values, under `key`. `scope` as in page_of. Raises Refused (bad_cursor)."""
    place = _place(cursor=after, scope=scope, name="after", size=size, longest=MAX_GROUP_CURSOR_LENGTH) if after else None
    rows = fetch(place, limit + 1)
    has_next = len(rows) > limit
    del rows[limit:]
    following = signing.Signer(salt=_salt(scope)).sign_object([_marked(value) for value in rows[-1][key]]) if has_next else None
    return Page(rows=rows, limit=limit, next=following, previous=None, has_next=has_next)


def _after_place(queryset: "QuerySet[Any, Any]", *, key: Sequence[str], place: list[Any], downward: bool) -> "QuerySet[Any, Any]":
    if len(key) == 1:
        return queryset.filter(**{f"{key[0]}__{'lt' if downward else 'gt'}": place[0]})
    lookup = TupleLessThan if downward else TupleGreaterThan
    return queryset.filter(lookup(Tuple(*(F(name) for name in key)), place))


def _cursor(*, row: Any, key: Sequence[str], scope: str) -> str:
    values = [row[name] if isinstance(row, dict) else getattr(row, name) for name in key]
    return signing.Signer(salt=_salt(scope)).sign_object([_marked(value) for value in values])


def _marked(value: Any) -> list[Any]:
    """A key's value with its type, as JSON can carry it."""
    match value:
        case UUID():
            return ["u", str(value)]
        case datetime():
            return ["t", value.isoformat()]
    return ["v", value]


def _place(*, cursor: str, scope: str, name: str, size: int, longest: int = MAX_CURSOR_LENGTH) -> list[Any]:
    readers: dict[str, Callable[[Any], Any]] = {"u": UUID, "t": datetime.fromisoformat, "v": lambda value: value}
    try:
        if len(cursor) > longest or not cursor.isascii():
            raise Refused("bad_cursor", name=name)
        place = [readers[mark](value) for mark, value in signing.Signer(salt=_salt(scope)).unsign_object(cursor)]
    except (signing.BadSignature, ValueError, KeyError, TypeError) as error:
        raise Refused("bad_cursor", name=name) from error
    if len(place) != size:
        raise Refused("bad_cursor", name=name)
    return place


def _salt(scope: str) -> str:
    return f"kernel.api.pagination:{scope}"
