"""The public form of ids: a prefix that says what it is, and the UUID's 32 hexadecimal digits."""

import re
from uuid import UUID

EVENT, ENDPOINT, DELIVERY = "evt", "we", "whd"
_HEX = re.compile(r"[0-9a-f]{32}\Z")


def event_ref(event_id: UUID) -> str:
    return f"{EVENT}_{event_id.hex}"


def endpoint_ref(endpoint_id: UUID) -> str:
    return f"{ENDPOINT}_{endpoint_id.hex}"


def delivery_ref(delivery_id: UUID) -> str:
    return f"{DELIVERY}_{delivery_id.hex}"


def parse_ref(text: str, prefix: str) -> UUID:
    """The UUID of a public id. Raises ValueError where the text is none, or has another prefix."""
    found, _, digits = text.partition("_")
    if found != prefix or not _HEX.match(digits):
        raise ValueError(f"{text!r} is not {prefix}_ and 32 hexadecimal digits")
    return UUID(digits)
