"""Short ids, such as `…7a9915f0`, within a text of a page."""

import re

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_SHORT_ID = re.compile("(…[0-9a-f]{8})(?![0-9a-f])")


def with_unbroken_ids(text: str) -> SafeString | str:
    """The text as HTML whose short ids stay in one line each: a browser would break them after the dots."""
    parts = _SHORT_ID.split(text)
    if len(parts) == 1:
        return text
    return format_html_join(
        "", "{}", ((format_html('<span class="ch-id">{}</span>', each) if at % 2 else each,) for at, each in enumerate(parts))
    )
