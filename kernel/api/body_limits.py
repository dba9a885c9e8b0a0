"""How large a request's body may be, and its bytes, unpacked: never more than the limit, whatever its headers say."""

import re
import zlib
from enum import Enum
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from kernel.api.problems import RequestRefused

READ_BLOCK_BYTES = 65_536
# The form around a file takes so much more.
MAX_FORM_BYTES = 1_048_576
_JSON_TYPE = re.compile(r"application/(?:[^\s;]+\+)?json\Z", re.IGNORECASE)


class BodyKind(Enum):
    """What a body holds: one item of a call, a batch of items, the form of a page for people, or such a form with a file of a backfill."""

    ITEM = "item"
    BATCH = "batch"
    FORM = "form"
    FILE = "file"


def body_limit(kind: BodyKind) -> int:
    """How large a request's body may be (bytes), packed or not. Both the ASGI entry and the views ask here."""
    limit: int
    match kind:
        case BodyKind.ITEM:
            limit = settings.API_BODY_LIMIT
        case BodyKind.BATCH | BodyKind.FORM:
            limit = settings.API_BATCH_BODY_LIMIT
        case BodyKind.FILE:
            limit = settings.BACKFILL_UPLOAD_LIMIT + MAX_FORM_BYTES
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
