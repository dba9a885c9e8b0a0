"""How large a request's body may be, and its bytes, unpacked: never more than the limit, whatever its headers say."""

import re
import zlib
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from kernel.api.problems import RequestRefused

READ_BLOCK_BYTES = 65_536
_JSON_TYPE = re.compile(r"application/(?:[^\s;]+\+)?json\Z", re.IGNORECASE)


def body_limit(*, is_batch_or_page: bool) -> int:
    """How large a request's body may be (bytes), packed or not; `is_batch_or_page`: of a call that takes many items, or a page for people.

    Both the ASGI entry and the views ask here.
    """
    limit: int = settings.API_BATCH_BODY_LIMIT if is_batch_or_page else settings.API_BODY_LIMIT
    return limit


def raw_body(request: HttpRequest, *, limit: int) -> bytes:
    """The body's bytes, unpacked where Content-Encoding is gzip. Raises RequestRefused: body_too_large, unreadable_body."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdecimal() and int(length[:20]) > limit:
        raise RequestRefused("body_too_large", limit=limit)
    # Django takes a chunked body, which has no length, for an empty one: it is read from the server's own stream.
    is_chunked = not length and "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    raw = _read(request.META["wsgi.input"] if is_chunked else request, limit=limit)
    if request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower() in {"gzip", "x-gzip"} and raw:
        return _unpacked(raw, limit=limit)
    return raw


def is_json(request: HttpRequest) -> bool:
    """True for application/json and application/*+json, case and parameters aside."""
    return _JSON_TYPE.match((request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip()) is not None


def _read(stream: Any, *, limit: int) -> bytes:
    blocks: list[bytes] = []
    size = 0
    try:
        while block := stream.read(min(READ_BLOCK_BYTES, limit + 1 - size)):
            blocks.append(block)
            size += len(block)
            if size > limit:
                raise RequestRefused("body_too_large", limit=limit)
    except (UnreadablePostError, OSError) as error:
        raise RequestRefused("unreadable_body", reason="connection") from error
    return b"".join(blocks)


def _unpacked(raw: bytes, *, limit: int) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    try:
        body = unpacking.decompress(raw, limit + 1)
    except zlib.error as error:
        raise RequestRefused("unreadable_body", reason="compression") from error
    if len(body) > limit:
        raise RequestRefused("body_too_large", limit=limit)
    if not unpacking.eof or unpacking.unused_data:
        raise RequestRefused("unreadable_body", reason="compression")
    return body
