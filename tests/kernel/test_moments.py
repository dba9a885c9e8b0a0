"""One range of moments for every entry point."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from kernel.ledger.errors import InvalidValue
from kernel.ledger.moments import check_moment, is_in_range

INSIDE = [
    date(1900, 1, 1),
    date(2199, 12, 31),
    datetime(1900, 1, 1, tzinfo=UTC),
    datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1900, 1, 1, 14, tzinfo=timezone(timedelta(hours=14))),
]
OUTSIDE = [
    date(1899, 12, 31),
    date(2200, 1, 1),
    date.min,
    date.max,
    datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
    datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=12))),
    datetime(2199, 12, 31, 23, tzinfo=timezone(-timedelta(hours=1))),
]


@pytest.mark.parametrize("value", INSIDE)
def test_a_moment_in_the_range_passes(value):
    assert is_in_range(value)
    check_moment("at", value)


@pytest.mark.parametrize("value", OUTSIDE)
def test_a_moment_outside_the_range_is_an_invalid_value_that_names_the_range(value):
    assert not is_in_range(value)
    with pytest.raises(InvalidValue) as refused:
        check_moment("at", value)
    assert refused.value.facts == {
        "field": "at",
        "reason": "moment_out_of_range",
        "value": value,
        "min": date(1900, 1, 1),
        "max": date(2199, 12, 31),
    }


def test_no_moment_passes():
    check_moment("at", None)
