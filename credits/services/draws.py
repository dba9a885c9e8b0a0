"""Builds the argument of credits_consume and credits_place_hold: an amount to draw or reserve across a customer's grants."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from credits.services.text_forms import digest_to_json
from kernel.ledger.errors import InvalidValue
from kernel.ledger.fact_digests import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency


def make_draw(audit: Mapping[str, Any], *, facts: Mapping[str, Any], names: Sequence[str], key: str | None) -> dict[str, Any]:
    """A credits_draw of `facts`; its digest covers `names`. Raises InvalidValue for a missing unit, an unknown currency, an amount <= 0."""
    amount: Decimal = facts["amount"]
    if not facts.get("currency") and not facts.get("metric_id"):
        raise InvalidValue(field="currency", reason="unit_missing")
    if facts.get("currency") and not is_currency(facts["currency"]):
        raise InvalidValue(field="currency", reason="unknown_currency")
    if amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive")
    texts = {name: facts.get(name) or "" for name in ("reason", "invoice_id", "billing_run_id")}
    return {
        **audit,
        **facts,
        **texts,
        "id": new_id(),
        "amount": f"{amount:f}",
        "idempotency_key": key,
        "facts_digest": digest_to_json(digest(facts, names)),
    }
