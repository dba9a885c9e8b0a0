"""Conditions on the text of columns: what begins with a text, which an index finds, and what has it somewhere in it."""

import json
from typing import Any

from django.db import models
from django.db.models import Func, Q, Value
from django.db.models.functions import Cast

from kernel.ledger.admin.search_terms import accents, folded, spellings

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
            # A document is a json column, which has no text functions.
            condition |= Q(_Like(_Folded(Cast(name, models.TextField()), *map(Value, accents())), pattern))
    return condition


def has_words(names: Any, text: str) -> Q:
    """Rows that have each word of the text in one of their columns, in any order: `muller zurich` is `kanzlei-müller-zürich`."""
    condition = Q()
    for word in text.split():
        condition &= has(names, word)
    return condition


def has_json_text(name: str, text: str) -> Q:
    """JSON documents with exactly this text as a value, or as the name of one."""
    condition = Q(pk__in=[])
    for quoted in dict.fromkeys([json.dumps(text), json.dumps(text, ensure_ascii=False)]):
        condition |= Q(_Like(Cast(name, models.TextField()), _anywhere(quoted)))
    return condition


def _anywhere(text: str) -> Value:
    return Value("%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%")


class _Folded(Func):
    """A column's text as `folded` makes it. Most text is ASCII, and translate() looks for each character in the whole list of accents."""

    output_field = models.TextField()

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        (text, none), *accents = (compiler.compile(each) for each in self.get_source_expressions())
        plain = ", ".join(sql for sql, _ in accents)
        sql = f"CASE WHEN octet_length({text}) = char_length({text}) THEN lower({text}) ELSE lower(translate({text}, {plain})) END"
        return sql, [*none * 4, *(value for _, values in accents for value in values)]


class _Like(Func):
    template = "%(expressions)s"
    arg_joiner = " LIKE "
    output_field = models.BooleanField()
