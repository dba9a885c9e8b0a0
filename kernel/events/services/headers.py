"""The fixed headers that an endpoint may ask for."""

import re
from collections.abc import Mapping

from kernel.ledger.errors import InvalidValue

MAX_HEADERS = 10
MAX_LENGTH = 1000
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
# What belongs to one connection, and what the sender itself decides.
RESERVED = {
    *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization"),
    *("host", "user-agent", "accept-encoding", "expect", "cookie"),
}
RESERVED_BEGINNINGS = ("content-", "webhook-", "countinghouse-", "proxy-")


def check_headers(headers: Mapping[str, str | None], *, present: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers with lower-case names. A value None keeps the present one. Raises InvalidValue with the header's name."""
    if len(headers) > MAX_HEADERS:
        raise InvalidValue(field="headers", reason="too_long", max=MAX_HEADERS)
    checked = {}
    for given, value in headers.items():
        name = given.lower()
        if not _NAME.match(name):
            raise InvalidValue(field="headers", reason="header_name", name=given)
        if name in RESERVED or name.startswith(RESERVED_BEGINNINGS):
            raise InvalidValue(field="headers", reason="header_reserved", name=given)
        if name in checked:
            raise InvalidValue(field="headers", reason="header_repeated", name=given)
        text = (present or {}).get(name) if value is None else value
        if text is None or len(text) > MAX_LENGTH or not _VALUE.match(text):
            raise InvalidValue(field="headers", reason="header_value", name=given, max=MAX_LENGTH)
        checked[name] = text
    return checked


def shown_headers(headers: Mapping[str, str]) -> dict[str, None]:
    """The names of the headers. Their values may be credentials of the receiver's, so nobody reads them again."""
    return dict.fromkeys(headers)
