"""Writes one event from Python, for what no posting function records. Posting functions call events_insert in SQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

WRITE = "SELECT events_write_if_wanted(%s, %s, %s, %s, coalesce(%s, clock_timestamp()), %s, %s::json)"
_encode = msgspec.json.Encoder(enc_hook=str).encode


def write_event(
    *,
    tenant_id: UUID,
    type: str,
    account: str = "",
    sequence: int | None = None,
    object_id: str = "",
    snapshot: Mapping[str, Any],
    occurred_at: datetime | None = None,
) -> bool:
    """Write one event in the caller's transaction, if anybody listens to its type. Returns whether it was written."""
    values: list[Any] = [tenant_id, type, account, sequence, occurred_at, object_id, _encode(snapshot).decode()]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, values)
        return bool(cursor.fetchone()[0])
