"""The consumption that a transaction belongs to, as an export writes it into the transaction's row."""

from typing import Any

import msgspec

from kernel.backfills.reading.columns import Invalid, digest_text, identifier, moment, money, positive_money, text
from kernel.backfills.reading.files.records import repeated_names


class Draw(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """One consumption: an amount taken from a customer's grants."""

    id: str
    customer_id: str
    amount: str
    taken: str
    partial: bool
    currency: str = ""
    metric_id: str = ""
    reason: str = ""
    invoice_id: str = ""
    billing_run_id: str = ""
    idempotency_key: str | None = None
    facts_digest: str
    occurred_at: str


_decoder = msgspec.json.Decoder(Draw)
_short, _long = text(at_most=255), text(at_most=1000)


def draw_from_json(raw: bytes) -> dict[str, Any] | None:
    """The columns of the consumption's row. Raises Invalid."""
    if raw == b"null":
        return None
    if raw[:1] == b'"':
        return draw_from_text(msgspec.json.decode(raw))
    try:
        draw = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"is no draw: {error}") from None
    if repeated := repeated_names(raw):
        raise Invalid(f"names {', '.join(repeated)} more than once")
    names = ("customer_id", "currency", "metric_id", "invoice_id", "billing_run_id")
    return {
        "id": identifier(draw.id),
        **{name: _short(getattr(draw, name)) for name in names},
        "amount": positive_money(draw.amount),
        "taken": money(draw.taken),
        "partial": draw.partial,
        "reason": _long(draw.reason),
        "idempotency_key": None if draw.idempotency_key is None else _short(draw.idempotency_key),
        "facts_digest": bytes.fromhex(digest_text(draw.facts_digest)),
        "occurred_at": moment(draw.occurred_at),
    }


def draw_from_text(written: str) -> dict[str, Any] | None:
    return draw_from_json(written.encode("utf-8", "surrogateescape"))
