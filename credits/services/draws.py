"""What a customer's credit is asked for, as the SQL functions of burn-down and holds read it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from credits.services.posting_errors import bytea
from kernel.ledger.errors import InvalidValue
from kernel.ledger.idempotency import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency


def draw(who: Mapping[str, Any], *, facts: Mapping[str, Any], names: Sequence[str], key: str | None) -> dict[str, Any]:
    """A draw of `facts`, of which `names` make the digest. Raises InvalidValue: no unit named, no such currency, no amount."""
    amount: Decimal = facts["amount"]
    if not facts.get("currency") and not facts.get("metric_id"):
        raise InvalidValue(field="currency", reason="unit_missing")
    if facts.get("currency") and not is_currency(facts["currency"]):
        raise InvalidValue(field="currency", reason="unknown_currency")
    if amount <= 0:
        raise InvalidValue(field="amount", reason="not_positive")
    texts = {name: facts.get(name) or "" for name in ("reason", "invoice_id", "billing_run_id")}
    return {
        **who,
        **facts,
        **texts,
        "id": new_id(),
        "amount": f"{amount:f}",
        "idempotency_key": key,
        "facts_digest": bytea(digest(facts, names)),
    }
