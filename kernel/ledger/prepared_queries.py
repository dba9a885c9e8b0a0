"""Querysets of frequent reads, compiled once: each call runs them as a prepared statement with its own values.

Django builds a queryset's SQL anew whenever it is evaluated, which takes several times as long as PostgreSQL needs to answer it.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models import BooleanField, Expression, F, Func, QuerySet

from kernel.ledger import queries


class Argument(Expression):
    """Stands in a prepared queryset for the value that a call passes under this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (self,)


class Compiled(NamedTuple):
    """`parameters`: values, and an Argument for each value that a call passes. `names`: of the columns. `converters`: as Django has them,
    by the places of their columns, for values that psycopg returns otherwise than Django."""

    statement: str
    parameters: tuple[Any, ...]
    names: tuple[str, ...]
    converters: dict[int, Any]
    query: Any


def is_one_of(field: str, values: Any) -> Func:
    """The condition `__in` for an argument that is a list."""
    return Func(F(field), values, template="%(expressions)s)", arg_joiner=" = ANY (", output_field=BooleanField())


def prepared(build: "Callable[..., QuerySet[Any, Any]]") -> Callable[..., list[Any]]:
    """Makes a function that returns a queryset of `values()` one that returns its rows, dictionaries.

    The function itself is called once for each set of arguments that are None. Of the others it gets an Argument, so that it can filter by
    them (by a list: is_one_of) but not look at their values. A call passes all arguments by keyword. Raises Django's database errors.
    """
    names = tuple(inspect.signature(build).parameters)

    @functools.cache
    def compiled(absent: frozenset[str]) -> Compiled:
        queryset: Any = build(**{name: None if name in absent else Argument(name) for name in names})
        compiler = queryset.query.get_compiler(queryset.db)
        statement, parameters = compiler.as_sql()
        converters = compiler.get_converters(column for column, *_ in compiler.select)
        return Compiled(statement, parameters, tuple(queryset.query.selected), converters, queryset.query)

    @functools.wraps(build)
    def rows(**values: Any) -> list[Any]:
        compilation = compiled(frozenset(name for name in names if values[name] is None))
        parameters = [values[each.name] if isinstance(each, Argument) else each for each in compilation.parameters]
        found = queries.fetch_rows(compilation.statement, parameters)
        if compilation.converters:
            found = compilation.query.get_compiler(DEFAULT_DB_ALIAS).apply_converters(found, compilation.converters)
        return [dict(zip(compilation.names, row, strict=True)) for row in found]

    return rows
