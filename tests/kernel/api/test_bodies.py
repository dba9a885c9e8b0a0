"""What each field of a body takes and refuses, by both readers."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.http import QueryDict
from rest_framework import serializers

from kernel.api.fields import Field, Text
from kernel.api.json import to_json
from kernel.api.problems import Invalid, RequestRefused
from tests.kernel.api.example_api import SALE, BuyerQuery, NudgeRequest, SaleRequest, SalesRequest, ShopBody

GOOD = {"totalAmount": "1", "saleKind": '"usage"'}


def body(**members):
    """A body of raw JSON members, the required ones given unless said otherwise."""
    return (
        b"{"
        + ",".join(f'"{name}":{text}' for name, text in (GOOD | members).items() if text is not None).encode("utf-8", "surrogatepass")
        + b"}"
    )


def problems(raw):
    with pytest.raises(Invalid) as caught:
        SaleRequest.read(raw)
    return [(problem.path, problem.code) for problem in caught.value.fields]


def test_every_declared_name_is_in_what_was_read():
    assert SaleRequest.read(b'{"totalAmount": 1, "saleKind": "usage", "unknown": [NaN]}') == {
        "total_amount": Decimal(1),
        "sale_kind": "usage",
        "customer_id": None,
        "currency": "USD",
        "state": None,
        "occurred_at": None,
        "due_day": None,
        "quantity": None,
        "details": None,
        "lines": None,
        "tags": None,
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("totalAmount", "-0.000000000000000001", Decimal("-0.000000000000000001")),
        ("totalAmount", "-0.0", Decimal(0)),
        ("totalAmount", "0e999999999999999999999", Decimal(0)),
        ("totalAmount", "1.5e3", Decimal(1500)),
        ("totalAmount", "999999999999999999.999999999999999999", Decimal("999999999999999999.999999999999999999")),
        ("totalAmount", '" +1.50 "', Decimal("1.5")),
        ("totalAmount", '".5"', Decimal("0.5")),
        ("totalAmount", '"1."', Decimal(1)),
        ("totalAmount", "1." + "0" * 40, Decimal(1)),
        ("totalAmount", "0.1" + "0" * 40, Decimal("0.1")),
        ("customerId", f'"{SALE}"', SALE),
        ("customerId", f'"{str(SALE).upper()}"', SALE),
        ("state", '"open"', "open"),
        ("state", "null", None),
        ("currency", '"EUR"', "EUR"),
        ("occurredAt", '"2024-01-31T23:59:59.123456789+02:00"', datetime(2024, 1, 31, 21, 59, 59, 123456, tzinfo=UTC)),
        ("occurredAt", '"2024-01-31t23:59:59z"', datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("dueDay", '"2024-02-29"', date(2024, 2, 29)),
        ("quantity", "1000", 1000),
        ("details", '{ "b": 2.50, "a": 12345678901234567890, "b": -0, "é": "NaN 1e9999 {[" }', None),
        ("details", '{"smile": "\\ud83d\\ude00", "slash": "\\\\u0000"}', None),
        ("tags", '["a", "é"]', ["a", "é"]),
        ("tags", "[]", []),
    ],
)
def test_a_good_value_is_read_exactly(name, text, value):
    read = SaleRequest.read(body(**{name: text}))
    assert read == SaleRequest.read_slowly(body(**{name: text}))
    wire_name = {member.wire_name: member.name for member in SaleRequest.declared_fields}
    assert read[wire_name[name]] == (text if name == "details" else value)


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("totalAmount", None, "missing"),
        ("totalAmount", "null", "null"),
        ("totalAmount", "true", "not_a_number"),
        ("totalAmount", "[]", "not_a_number"),
        ("totalAmount", "{}", "not_a_number"),
        ("totalAmount", '"abc"', "number_syntax"),
        ("totalAmount", '""', "number_syntax"),
        ("totalAmount", '"1_000"', "number_syntax"),
        ("totalAmount", '"nan"', "number_syntax"),
        ("totalAmount", '"1\\n"', "number_syntax"),
        ("totalAmount", '"１２"', "number_syntax"),
        ("totalAmount", '"1\\u0000"', "number_syntax"),
        ("totalAmount", "NaN", "not_finite"),
        ("totalAmount", "-Infinity", "not_finite"),
        ("totalAmount", "1e400", "too_many_digits"),
        ("totalAmount", "1e18", "too_many_digits"),
        ("totalAmount", "1e99999999999999999999", "too_many_digits"),
        ("totalAmount", "1" + "0" * 18, "too_many_digits"),
        ("totalAmount", "1" + "0" * 4200, "too_many_digits"),
        ("totalAmount", "1e-19", "too_many_decimals"),
        ("totalAmount", "1e-99999999999999999999", "too_many_decimals"),
        ("totalAmount", "0." + "0" * 18 + "1", "too_many_decimals"),
        ("saleKind", "123", "not_text"),
        ("saleKind", "1.5", "not_text"),
        ("saleKind", "null", "null"),
        ("saleKind", '""', "too_short"),
        ("saleKind", '"' + "x" * 21 + '"', "too_long"),
        ("saleKind", '"\\u0000"', "unstorable_text"),
        ("saleKind", '"\\ud800"', "unstorable_text"),
        ("saleKind", '"\ud800"', "unstorable_text"),
        ("customerId", '"{0190b4a0-0000-7000-8000-000000000001}"', "bad_uuid"),
        ("customerId", '"0190b4a000007000800000000000000１"', "bad_uuid"),
        ("customerId", "5", "not_text"),
        ("currency", '"usd"', "unknown_currency"),
        ("currency", '"ZZZ"', "unknown_currency"),
        ("currency", "null", "null"),
        ("state", '"ajar"', "unknown_choice"),
        ("occurredAt", '"2024-01-31"', "bad_timestamp"),
        ("occurredAt", '"2024-01-31T10:00:00"', "bad_timestamp"),
        ("occurredAt", '"2024-02-30T10:00:00Z"', "bad_timestamp"),
        ("occurredAt", '"0001-01-01T00:00:00+01:00"', "moment_out_of_range"),
        ("occurredAt", '"9999-12-31T23:59:59-01:00"', "moment_out_of_range"),
        ("occurredAt", '"2024-01-31T24:00:00Z"', "bad_timestamp"),
        ("occurredAt", '"２024-01-31T10:00:00Z"', "bad_timestamp"),
        ("occurredAt", "1706700000", "not_text"),
        ("dueDay", '"2024-02-30"', "bad_day"),
        ("dueDay", '"20240229"', "bad_day"),
        ("quantity", "0", "too_small"),
        ("quantity", "1001", "too_large"),
        ("quantity", "1" + "0" * 30, "too_large"),
        ("quantity", "1.0", "not_whole"),
        ("quantity", "NaN", "not_whole"),
        ("quantity", "true", "not_a_number"),
        ("quantity", '"1"', "not_a_number"),
        ("details", "[]", "not_json_object"),
        ("details", '"{}"', "not_json_object"),
        ("details", '{"a": "\\u0000"}', "unstorable_text"),
        ("details", '{"\\udc00": 1}', "unstorable_text"),
        ("details", '{"a": NaN}', "not_finite"),
        ("details", '{"a": -Infinity}', "not_finite"),
        ("details", '{"a": 1e1000}', "number_out_of_range"),
        ("details", '{"a": 1E-99999999999999999999}', "number_out_of_range"),
        ("details", '{"a": ' + "[" * 8 + "]" * 8 + "}", "too_deep"),
        ("details", '{"a": "' + "é" * 1000 + '"}', "too_long"),
        ("lines", "{}", "not_a_list"),
        ("lines", "[{},{},{},{}]", "too_long"),
        ("tags", "null", "null"),
    ],
)
def test_a_bad_value_is_refused_at_its_field(name, text, code):
    assert problems(body(**{name: text})) == [((name,), code)]


def test_every_problem_is_found_in_the_order_of_declaration():
    raw = body(
        tags='["toolong", 1, null, "ok"]',
        lines='[{"unitPrice": 5, "isEstimate": 1}, 7, {"unitPrice": "0"}]',
        saleKind="1",
        totalAmount="true",
    )
    assert problems(raw) == [
        (("totalAmount",), "not_a_number"),
        (("saleKind",), "not_text"),
        (("lines", 0, "unitPrice"), "number_as_money"),
        (("lines", 0, "isEstimate"), "not_boolean"),
        (("lines", 1), "not_json_object"),
        (("lines", 2, "unitPrice"), "not_positive"),
        (("lines", 2, "isEstimate"), "missing"),
        (("tags", 0), "too_long"),
        (("tags", 1), "not_text"),
        (("tags", 2), "null"),
    ]


@pytest.mark.parametrize("price", ['"1e2"', '"-1"', '"+1"', '"１"', '"1."', '".5"', '" 1"', '"1\\n"', '""', '"0x1"', '"NaN"', '"1,5"'])
def test_amounts_as_text_are_plain_digits(price):
    line = f'[{{"unitPrice": {price}, "isEstimate": true}}]'
    assert problems(body(lines=line)) == [(("lines", 0, "unitPrice"), "number_syntax")]


@pytest.mark.parametrize(
    ("price", "code"), [("1.5", "number_as_money"), ("NaN", "number_as_money"), ("true", "not_text"), ("{}", "not_text")]
)
def test_amounts_as_text_are_no_numbers(price, code):
    assert problems(body(lines=f'[{{"unitPrice": {price}, "isEstimate": true}}]')) == [(("lines", 0, "unitPrice"), code)]


def test_a_missing_field_shows_the_object_that_lacks_it():
    with pytest.raises(Invalid) as caught:
        SaleRequest.read(b'{"saleKind": "x", "lines": [{"isEstimate": false, "q": 1.50}]}')
    assert [to_json(problem.value) for problem in caught.value.fields] == [
        b'{"saleKind":"x","lines":[{"isEstimate":false,"q":1.50}]}',
        b'{"isEstimate":false,"q":1.50}',
    ]


def test_the_error_of_a_null_says_what_was_expected():
    with pytest.raises(Invalid) as caught:
        SaleRequest.read(b'{"totalAmount": null, "saleKind": null, "lines": [null], "tags": null}')
    assert [(problem.code, problem.facts["expected"]) for problem in caught.value.fields] == [
        ("null", "not_a_number"),
        ("null", "not_text"),
        ("null", "not_json_object"),
        ("null", "not_a_list"),
    ]


def test_a_rule_across_fields_names_its_field():
    assert problems(body(state='"closed"')) == [(("dueDay",), "missing")]
    assert SaleRequest.read(body(state='"closed"', dueDay='"2024-01-01"'))["due_day"] == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("raw", "code", "facts"),
    [
        (b"", "empty_body", {}),
        (b" ", "malformed_json", {"position": 1, "reason": "Expecting value"}),
        (b'{"a": }', "malformed_json", {"position": 6, "reason": "Expecting value"}),
        (b'{"a": "\x01"}', "malformed_json", {"position": 7, "reason": "Invalid control character at"}),
        ('{"é": 1} x'.encode(), "malformed_json", {"position": 9, "reason": "Extra data"}),
        (b"null", "not_an_object", {"value": None}),
        (b"[1]", "not_an_object", {"value": [1]}),
        (b'"x"', "not_an_object", {"value": "x"}),
        (b'{"x": "\xff"}', "unreadable_body", {"reason": "encoding"}),
        (b'{"x": ' + b"1" * 5000 + b"}", "unreadable_body", {"reason": "digits"}),
        (b'{"x": ' + b"[" * 300 + b"]" * 300 + b"}", "unreadable_body", {"reason": "depth"}),
        (b"[" * 20_000, "unreadable_body", {"reason": "depth"}),
        (b"[" * 200_000, "unreadable_body", {"reason": "complexity"}),
    ],
)
def test_a_body_that_is_no_object_is_refused_as_a_whole(raw, code, facts):
    with pytest.raises(RequestRefused) as caught:
        SaleRequest.read(raw)
    assert (caught.value.code, caught.value.facts) == (code, facts)


def test_a_body_in_another_encoding_of_json_is_read():
    raw = body(saleKind='"é"').decode()
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert SaleRequest.read(raw.encode(encoding))["sale_kind"] == "é"


def test_a_body_may_be_empty_where_it_says_so():
    assert NudgeRequest.read(b"") == {"why": None}


def test_one_bad_item_of_a_batch_leaves_the_others_alone():
    raw = (
        b'{"items": ['
        + body()
        + b', {}, 3, {"totalAmount": "x", "saleKind": "\\u0000"}, '
        + body(details='{"a": "\\ud83d\\ude00"}')
        + b"]}"
    )
    items = SalesRequest.read(raw)["items"]
    assert [isinstance(item, dict) for item in items] == [True, False, False, False, True]
    assert [(problem.path, problem.code) for problem in items[1].fields] == [(("totalAmount",), "missing"), (("saleKind",), "missing")]
    assert [(problem.path, problem.code) for problem in items[2].fields] == [((), "not_json_object")]
    assert [problem.code for problem in items[3].fields] == ["number_syntax", "unstorable_text"]
    assert SalesRequest.read_slowly(raw)["items"][0] == items[0]


@pytest.mark.parametrize(("count", "code"), [(0, "too_short"), (6, "too_long")])
def test_a_batch_has_bounds(count, code):
    with pytest.raises(Invalid) as caught:
        SalesRequest.read(b'{"items": [' + b",".join([body()] * count) + b"]}")
    assert [(problem.path, problem.code) for problem in caught.value.fields] == [(("items",), code)]


def test_a_bare_array_is_read_item_by_item():
    outcomes = SaleRequest.read_list(b"[" + body() + b", 5]", max_items=2)
    assert [isinstance(outcome, dict) for outcome in outcomes] == [True, False]
    with pytest.raises(Invalid):
        SaleRequest.read_list(b"[" + body() + b", 5, 6]", max_items=2)
    with pytest.raises(Invalid):
        SaleRequest.read_list(b"{}")
    with pytest.raises(RequestRefused):
        SaleRequest.read_list(b"[1,")


def test_lines_are_read_one_by_one():
    outcomes = list(SaleRequest.read_lines(body() + b"\n\n{nonsense\r\n" + body() + b"\n"))
    assert [isinstance(outcome, dict) for outcome in outcomes] == [True, False, True]
    assert [problem.code for problem in outcomes[1].fields] == ["malformed_json"]


def test_a_field_without_a_fast_reader_is_refused_at_import():
    class Odd(Field):
        pass

    for wrong in (Odd(), serializers.CharField(), Text(validators=[print])):
        with pytest.raises(TypeError):
            type("WrongBody", (ShopBody,), {"wrong": wrong, "__module__": __name__})


def test_a_query_reads_words_into_values():
    read = BuyerQuery.read(QueryDict("page%5Blimit%5D=7&fromDay=2024-01-31&isOpen=true&leastAmount=1.50&unknown=x&page[after]=q"))
    assert read == {
        "limit": 7,
        "after": "q",
        "before": None,
        "from_day": datetime(2024, 1, 31, tzinfo=UTC),
        "is_open": True,
        "least_amount": Decimal("1.50"),
    }


def test_a_query_refuses_every_bad_parameter():
    with pytest.raises(Invalid) as caught:
        BuyerQuery.read(QueryDict("page[limit]=101&page[after]=%00&fromDay=yesterday&isOpen=maybe&leastAmount=NaN"))
    assert caught.value.place == "query"
    assert [(problem.path, problem.code, problem.value) for problem in caught.value.fields] == [
        (("page[limit]",), "too_large", "101"),
        (("page[after]",), "unstorable_text", "\x00"),
        (("fromDay",), "bad_timestamp", "yesterday"),
        (("isOpen",), "not_boolean", "maybe"),
        (("leastAmount",), "number_syntax", "NaN"),
    ]


def test_identifiers_are_uuids():
    assert isinstance(SaleRequest.read(body(customerId=f'"{SALE}"'))["customer_id"], UUID)
