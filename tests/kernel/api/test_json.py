"""Rendering: exact, and always JSON."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kernel.api.amounts import AmountNumber, AmountText
from kernel.api.fields import Boolean, Day, JsonObject, Text, Timestamp
from kernel.api.json import JsonNumber, RawJson, is_too_deep, parse_exact, to_json
from kernel.api.nested import ListOf, Nested
from kernel.api.serializers import Reply
from tests.kernel.api.example_api import SALE, ShopDialect, ShopReply


class PartReply(ShopReply):
    unit_price = AmountText(full=True)


class WholeReply(ShopReply):
    amount_left = AmountNumber()
    amount_text = AmountText()
    created_at = Timestamp()
    changed_at = Timestamp(fine=True)
    on_day = Day()
    details = JsonObject()
    parts = ListOf(Nested(PartReply))
    is_open = Boolean(source="open")
    note = Text(required=False)


class TerseReply(Reply):
    dialect = ShopDialect()
    omits_absent = True
    id = Text()
    note = Text(required=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E-18"), "0.000000000000000001"),
        (Decimal("1E+5"), "100000"),
        (Decimal("0E-18"), "0.000000000000000000"),
        (Decimal("NaN"), "null"),
        (float("inf"), "null"),
        (float("nan"), "null"),
        (0.5, "0.5"),
        (True, "true"),
        (None, "null"),
        (JsonNumber("2.50"), "2.50"),
        (RawJson('{"a":1}'), '{"a":1}'),
        ("é\ud800\n", '"\\u00e9\\ud800\\n"'),
        ("é", '"é"'),
        (SALE, f'"{SALE}"'),
        (datetime(2024, 1, 1, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=1))), '"2024-01-01T00:02:03.456Z"'),
        (date(2024, 1, 31), '"2024-01-31"'),
        ({"a": (1, [Decimal("1.50")]), UUID(int=0): {}}, '{"a":[1,[1.50]],"00000000-0000-0000-0000-000000000000":{}}'),
    ],
)
def test_a_value_is_rendered_exactly(value, text):
    assert to_json(value).decode() == text


def test_what_has_no_form_in_json_is_a_type_error():
    with pytest.raises(TypeError):
        to_json(object())


@given(
    some.recursive(
        some.none() | some.booleans() | some.integers() | some.text(some.characters(exclude_categories=())),
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    )
)
def test_what_was_loaded_renders_to_equal_json(value):
    loaded, _ = parse_exact(json.dumps(value).encode())
    assert json.loads(to_json(loaded)) == value


ROW = {
    "amount_left": Decimal("10.500000000000000000"),
    "amount_text": Decimal("0E-18"),
    "created_at": datetime(2024, 1, 1, 1, 2, 3, 456789, tzinfo=UTC),
    "changed_at": datetime(2024, 1, 1, 1, 2, 3, tzinfo=UTC),
    "on_day": datetime(2024, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=-1))),
    "details": '{"b": 2.50, "a": [1e5]}',
    "parts": [{"unit_price": Decimal("0.05")}],
    "open": False,
}
WHOLE = (
    '{"amountLeft":10.5,"amountText":"0","createdAt":"2024-01-01T01:02:03.456Z","changedAt":"2024-01-01T01:02:03.000000Z","onDay":"2024-02-01",'
    '"details":{"b": 2.50, "a": [1e5]},"parts":[{"unitPrice":"0.050000000000000000"}],"isOpen":false,"note":null}'
)


@pytest.mark.parametrize("row", [ROW, SimpleNamespace(**ROW)])
def test_a_reply_is_written_from_a_mapping_or_an_object(row):
    assert WholeReply.render(row).decode() == WHOLE


def test_absent_optionals_are_left_out_where_the_api_says_so():
    assert TerseReply.render({"id": "1"}) == b'{"id":"1"}'
    assert TerseReply.render({"id": "1", "note": None}) == b'{"id":"1"}'
    assert TerseReply.render({"id": "1", "note": ""}) == b'{"id":"1","note":""}'


def test_a_row_without_a_required_value_is_a_fault_of_ours():
    with pytest.raises(KeyError):
        TerseReply.render({})


@pytest.mark.parametrize(
    ("text", "too_deep"),
    [
        ("[" * 256 + "]" * 256, False),
        ("[" * 257 + "]" * 257, True),
        ('{"a":' * 257 + "1" + "}" * 257, True),
        ("[" + ",".join(['{"a":[{}]}'] * 1000) + "]", False),
        ('["' + "[" * 1000 + '"]', False),
        ('["\\\\"' + ',["]"' * 300 + "]" * 301, True),
        ('["\\"' + "[" * 1000 + '"]', False),
        ('["]",' * 300 + "1" + ',"["]' * 300, True),
        ("]" * 1000, False),
        ("[" * 1000, True),
    ],
)
def test_depth_is_counted_outside_of_strings(text, too_deep):
    assert is_too_deep(text.encode()) is too_deep
