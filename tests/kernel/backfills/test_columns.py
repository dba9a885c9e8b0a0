"""Each kind of column takes what it says and refuses the rest in words."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from kernel.backfills.reading import columns
from kernel.backfills.reading.columns import Column, Invalid


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (columns.money, "12.50", Decimal("12.50")),
        (columns.money, "-0.000000000000000001", Decimal("-1E-18")),
        (columns.money, "1.0000000000000000000", Decimal(1)),
        (columns.moment, "2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        (columns.moment, "2026-01-31 12:00:00.5+02:00", datetime(2026, 1, 31, 10, 0, 0, 500000, tzinfo=UTC)),
        (columns.moment, "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (columns.moment, "1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        (columns.moment, "2199-12-31T23:59:59.999999Z", datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        (columns.day, "1900-01-01", date(1900, 1, 1)),
        (columns.day, "2199-12-31", date(2199, 12, 31)),
        (columns.day, "2024-02-29", date(2024, 2, 29)),
        (columns.key_text(at_most=9), "größe 1", "größe 1"),
        (columns.currency, "EUR", "EUR"),
        (columns.flag, "true", True),
        (columns.json_text, '{"a": 2.50}', '{"a": 2.50}'),
        (columns.text(at_most=5), "größe", "größe"),
        (columns.whole_number(lowest=0, highest=100), "100", 100),
    ],
)
def test_what_a_column_takes(read, written, value):
    assert read(written) == value


@pytest.mark.parametrize(
    ("read", "written", "why"),
    [
        (columns.money, "1e5", "must be a plain decimal such as 12.50, not '1e5'"),
        (columns.money, "1,5", "must be a plain decimal such as 12.50, not '1,5'"),
        (columns.money, "NaN", "must be a plain decimal such as 12.50, not 'NaN'"),
        (columns.money, "0.0000000000000000001", "has more than 18 decimals"),
        (columns.money, "1" + "0" * 18, "is 10^18 or more"),
        (columns.positive_money, "0", "must be above zero, not '0'"),
        (columns.moment, "2026-01-31T12:00:00", "must be a time with its UTC offset"),
        (columns.moment, "2026-02-30T12:00:00Z", "is no moment of the calendar"),
        (columns.moment, "0001-01-01T00:00:00+14:00", "is no moment of the calendar"),
        (columns.moment, "1001-01-01T00:00:00Z", "must lie between 1900-01-01 and 2199-12-31"),
        (columns.moment, "1899-12-31T23:59:59.999999Z", "must lie between 1900-01-01 and 2199-12-31"),
        (columns.moment, "2200-01-01T00:00:00Z", "must lie between 1900-01-01 and 2199-12-31"),
        (columns.moment, "9999-12-31T23:59:59Z", "must lie between 1900-01-01 and 2199-12-31"),
        (columns.day, "1899-12-31", "must lie between 1900-01-01 and 2199-12-31"),
        (columns.day, "2200-01-01", "must lie between 1900-01-01 and 2199-12-31"),
        (columns.key_text(at_most=9), "\ufeffa", "begins or ends with the invisible character U+FEFF: '\\ufeffa'"),
        (columns.key_text(at_most=9), "a\u00a0", "begins or ends with the invisible character U+00A0: 'a\\u00a0'"),
        (columns.key_text(at_most=9), "a ", "begins or ends with the invisible character U+0020: 'a '"),
        (columns.key_text(at_most=9), "\u200ba", "begins or ends with the invisible character U+200B"),
        (columns.moment, "2026-W05-1", "must be a time with its UTC offset"),
        (columns.day, "2026-02-30", "is no day of the calendar"),
        (columns.currency, "usd", "must be an ISO 4217 code in upper case, not 'usd'"),
        (columns.identifier, "123", "must be a UUID, not '123'"),
        (columns.flag, "yes", "must be true or false, not 'yes'"),
        (columns.json_text, "[1]", "must be a JSON object"),
        (columns.json_text, "{", "is no JSON"),
        (columns.json_text, '{"a": "\\u0000"}', "holds a NUL character"),
        (columns.json_text, '{"a": "\\ud800"}', "is "),
        (columns.text(at_most=3), "four", "has 4 characters, at most 3 are allowed"),
        (columns.text(at_most=3), "a\x00", "holds a NUL character"),
        (columns.text(at_most=3), "\udcff", "is not valid UTF-8"),
        (columns.one_of("in", "out"), "up", "must be one of in, out, not 'up'"),
        (columns.whole_number(lowest=0, highest=100), "101", "must be a whole number from 0 to 100, not '101'"),
    ],
)
def test_what_a_column_refuses_and_why(read, written, why):
    with pytest.raises(Invalid) as refused:
        read(written)
    assert str(refused.value).startswith(why)


def raw(text):
    return msgspec.Raw(text.encode())


def test_json_money_is_taken_by_its_digits():
    column = Column("amount", columns.money, from_json=columns.money_from_json(columns.money))
    assert str(column.read_json(raw("1.50"))) == "1.50"
    assert str(column.read_json(raw('"1.50"'))) == "1.50"
    assert column.read_json(raw("null")) is None
    for refused in ("1e5", "true", "[1]", '""'):
        with pytest.raises(Invalid):
            column.read_json(raw(refused))


def test_a_json_value_of_another_kind_is_refused():
    column = Column("name", columns.text(at_most=10))
    assert column.read_json(raw('"a"')) == "a"
    assert column.read_json(raw("null")) is None
    with pytest.raises(Invalid, match="must be a JSON string"):
        column.read_json(raw("1"))
