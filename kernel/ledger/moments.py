"""The range of moments that the ledgers take: 1900-01-01 to 2199-12-31, in UTC.

Every entry point checks it: fields of the API, columns of files (kernel.backfills), filters and forms of the admin site. A moment
near the limits of the calendar can't be shown in every time zone, so accepting one would break each list that it appears in.
"""

from datetime import UTC, date, datetime, time

from kernel.ledger.errors import InvalidValue

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
FIRST_MOMENT = datetime(1900, 1, 1, tzinfo=UTC)
# The range ends before this moment.
END_OF_MOMENTS = datetime(2200, 1, 1, tzinfo=UTC)


def is_in_range(value: date | datetime) -> bool:
    """Whether a day, or an aware moment, lies in the range. A naive moment raises TypeError."""
    if isinstance(value, datetime):
        return FIRST_MOMENT <= value < END_OF_MOMENTS
    return FIRST_DAY <= value <= LAST_DAY


def midnight(day: date) -> datetime:
    """The first moment of a day in UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)


def check_moment(field: str, value: date | datetime | None) -> None:
    """Raises InvalidValue (reason moment_out_of_range, with `min` and `max` as days) for a day or moment outside the range; None passes."""
    if value is not None and not is_in_range(value):
        raise InvalidValue(field=field, reason="moment_out_of_range", value=value, min=FIRST_DAY, max=LAST_DAY)
