"""The classes of posting_rows.py say what the SQL functions return: each attribute is a column of that name, and of a type that fits."""

import importlib
import inspect
import re
import typing
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from uuid import UUID

import pytest

from kernel.ledger.database_functions.sql_files import current_files
from kernel.ledger.outcomes import OutcomeRow

APPS = ("billing", "credits", "metering")
TYPES = {
    "bigint": int,
    "boolean": bool,
    "date": date,
    "integer": int,
    "jsonb": object,
    "numeric": Decimal,
    "text": str,
    "text[]": list[str],
    "timestamptz": datetime,
    "timestamp with time zone": datetime,
    "uuid": UUID,
}


def columns(app, function):
    """What a function returns, by the files: its table, or its composite type."""
    texts = {file.name: file.text for file in current_files(app)}
    head = texts[function]
    if found := re.search(r"RETURNS TABLE \((.*?)\)\s*LANGUAGE", head, re.DOTALL):
        body = found[1]
    else:
        name = re.search(r"RETURNS SETOF (\w+)", head)[1]
        body = re.search(rf"CREATE TYPE {name} AS \((.*?)\);", "\n".join(texts.values()), re.DOTALL)[1]
    return {
        name: TYPES.get(kind.strip(), bytes) for name, kind in (column.split(maxsplit=1) for column in body.replace("\n", " ").split(","))
    }


def rows(app):
    module = importlib.import_module(f"{app}.services.posting_rows")
    classes = [one for _, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__]
    return [one for one in classes if OutcomeRow in one.__mro__]


@pytest.mark.parametrize("app", APPS)
def test_the_rows_that_services_return_have_the_columns_of_the_posting_functions(app):
    assert len(rows(app)) > 2
    for row in rows(app):
        function = re.match(r"Of (\w+)[:.]", row.__doc__)[1]
        returned = columns(app, function)
        for name, hint in typing.get_type_hints(row).items():
            kinds = set(typing.get_args(hint)) if isinstance(hint, UnionType) else {hint}
            assert returned.get(name) in kinds, (row, name)
