"""How pages write a moment: in the reader's time zone."""

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernel.base.empty_values import NOTHING


def local_time(moment: datetime | None) -> SafeString | str:
    """`2026-03-01 10:30:00 CET`: in the reader's time zone. The tooltip has the moment in UTC with its microseconds."""
    if moment is None:
        return NOTHING
    utc = moment.astimezone(UTC)
    try:
        local = timezone.localtime(moment)
    except (OverflowError, ValueError):
        # In the first and the last hours of the calendar the local time may have no date. One such row must not break its list.
        local = utc
    return format_html('<time class="utc" datetime="{0}" title="{0}">{1}</time>', utc.isoformat(), f"{local:%Y-%m-%d %H:%M:%S %Z}")
