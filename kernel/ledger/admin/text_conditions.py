"""Conditions on the text of columns: what begins with a text, which an index finds, and what has it somewhere in it."""

import json
from typing import Any

from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Cast

from kernel.ledger.admin.search_terms import accents_of, folded, spellings
from kernel.ledger.json_field import DocumentField

# The highest character: a range of an index from a text up to the text with it holds everything that begins with the text.
LAST = "\U0010ffff"


def begins(name: str, text: str) -> Q:
    """Values that begin with the text as typed, in small or large letters, or with a large first one, in each of its spellings."""
    condition = Q(pk__in=[])
    for spelt in spellings(text):
        for each in dict.fromkeys([spelt, spelt.lower(), spelt.upper(), spelt.capitalize()]):
            condition |= range_of(name, each)
    return condition


def range_of(name: str, beginning: str) -> Q:
    """Values that begin with exactly this: a range of an index, whatever its collation, and then only those that really do."""
    return Q(**{f"{name}__gte": beginning, f"{name}__lt": beginning + LAST, f"{name}__startswith": beginning})


def has(names: Any, text: str) -> Q:
    """Values that have the text in them, whatever the case and accents of either, in any of its spellings."""
    condition = Q(pk__in=[])
    for spelt in dict.fromkeys(map(folded, spellings(text))):
        pattern = _anywhere(spelt)
        for name in names:
            condition |= Q(_Like(_Folded(_Text(name), *map(Value, accents_of(spelt))), pattern))
    return condition


def has_words(names: Any, text: str) -> Q:
    """Rows that have each word of the text in one of their columns, in any order: `muller zurich` is `kanzlei-müller-zürich`."""
    condition = Q()
    for word in text.split():
        condition &= has(names, word)
    return condition


def has_json_text(name: str, text: str) -> Q:
    """JSON documents with exactly this text as a value, or as the name of one."""
    return Q(_Like(_Text(name), _anywhere(json.dumps(text, ensure_ascii=False))))


def _anywhere(text: str) -> Value:
    return Value("%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%")


class _Text(Cast):
    """A column as text. A document is a json column, which has no text functions; its text is as it was sent, where the caller may have
    written any letter as an escape (`M\\u00fcller`): each is replaced by its letter.

    unistr() knows only the escapes with a u, and fails for NUL and half a surrogate pair. No API and no import takes the latter, but one
    such row would fail every search that reads it. So the backslash of all other escapes is doubled, and they stay as they are; those of a
    whole pair (an emoji) too.
    """

    _NO_LETTER = r"\\([^u]|u0000|u[dD][89a-fA-F])"

    def __init__(self, name: str) -> None:
        super().__init__(name, models.TextField())

    @property
    def is_document(self) -> bool:
        [column] = self.get_source_expressions()
        return isinstance(column.output_field, DocumentField)

    def bare(self, compiler: Any, connection: Any) -> Any:
        """The text with its escapes."""
        return super().as_sql(compiler, connection)

    def decoded(self, compiler: Any, connection: Any) -> Any:
        sql, values = self.bare(compiler, connection)
        return rf"unistr(regexp_replace({sql}, %s, '\\\\\1', 'g'))", [*values, self._NO_LETTER]

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        sql, values = self.bare(compiler, connection)
        if not self.is_document:
            return sql, values
        letters, more = self.decoded(compiler, connection)
        return rf"CASE WHEN strpos({sql}, '\u') = 0 THEN {sql} ELSE {letters} END", [*values * 2, *more]


class _Folded(Func):
    """A column's text as `folded` makes it, as far as the searched text is concerned (`accents_of`).

    translate() looks for each character in the whole list of accents, and with all of them takes most of a search's time. Most text is
    ASCII.
    """

    output_field = models.TextField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        column, *lists = self.get_source_expressions()
        text, values = column.bare(compiler, connection)
        accents, letters = zip(*(compiler.compile(each) for each in lists), strict=True)
        plain, lists = ", ".join(accents), [value for each in letters for value in each]
        sql = f"WHEN octet_length({text}) = char_length({text}) THEN lower({text}) ELSE lower(translate({text}, {plain})) END"
        if not column.is_document:
            return f"CASE {sql}", [*values * 4, *lists]
        decoded, more = column.decoded(compiler, connection)
        escaped = rf"WHEN strpos({text}, '\u') > 0 THEN lower(translate({decoded}, {plain}))"
        return f"CASE {escaped} {sql}", [*values, *more, *lists, *values * 4, *lists]


class _Like(Func):
    template = "%(expressions)s"
    arg_joiner = " LIKE "
    output_field = models.BooleanField()
