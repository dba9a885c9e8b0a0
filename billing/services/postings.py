"""What `billing_post` takes and returns: postings made of checked facts, and its outcomes read as rows or errors."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from billing.choices import AGENT_LENGTH, REASON_LENGTH, REFERENCE_LENGTH, SHIPPED_TYPES, TYPE_LENGTH
from billing.digests import FACTS, facts_digest, recorded_facts
from billing.services.posting_errors import posting_errors
from billing.services.posting_rows import TransactionRow
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_currency, trimmed_digits
from kernel.ledger.outcomes import Posted, posted_or_error

# Broken by a posting when another call took the key or opened the type, perhaps in another direction, since this one looked: nothing was
# written, and the call is made again. A type has two unique keys; ON CONFLICT watches one, and two calls at once may meet at the other.
RETRYABLE_CONSTRAINTS = frozenset(
    {"billing_transaction_reference_key", "billing_transaction_type_fkey", "billing_transactiontype_direction_key"}
)
LENGTHS = {"type": TYPE_LENGTH, "reference_id": REFERENCE_LENGTH, "agent_id": AGENT_LENGTH, "reason": REASON_LENGTH}
TEXTS = ("type", "reference_id", "agent_id", "description", "metadata", "reason")


def make_posting(facts: Mapping[str, Any], *, actor: str, request_id: str) -> dict[str, Any]:
    """A billing_posting of the arguments of record_transaction or reverse_transaction. Raises InvalidValue."""
    check_facts(facts)
    identifier = new_id()
    label, direction = SHIPPED_TYPES.get(facts.get("type", ""), (None, None))
    amount, metadata = facts.get("amount"), facts.get("metadata")
    return {
        "id": identifier,
        "currency": facts.get("currency"),
        "type": facts.get("type"),
        "shipped_label": label,
        "shipped_direction": direction,
        "amount": None if amount is None else trimmed_digits(amount),
        "reference_id": facts.get("reference_id") or str(identifier),
        "agent_id": facts.get("agent_id"),
        "description": facts.get("description"),
        "metadata": None if metadata is None else str(metadata),
        "occurred_at": facts.get("occurred_at"),
        "reverses": facts.get("reverses"),
        "reason_code": facts.get("reason_code"),
        "reason": facts.get("reason"),
        "facts_digest": facts_digest(facts).hex(),
        "actor": actor,
        "request_id": request_id,
    }


def check_facts(facts: Mapping[str, Any]) -> None:
    """What the API's fields check, for every other caller too. Raises InvalidValue."""
    amount, currency = facts.get("amount"), facts.get("currency")
    if amount is not None:
        check_amount("amount", amount)
    if currency is not None and not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)
    check_moment("occurred_at", facts.get("occurred_at"))
    for name in TEXTS:
        text = facts.get(name)
        if text is not None:
            _check_text(name, text)
    for name in ("type", "reference_id"):
        if facts.get(name) == "":
            raise InvalidValue(field=name, reason="too_short", value="", min=1)


def check_amount(field: str, amount: Decimal) -> None:
    """Whether an amount column can hold it to the last digit. Raises InvalidValue."""
    if not amount.is_finite():
        raise InvalidValue(field=field, reason="not_finite", value=None)
    if abs(amount) >= AMOUNT_LIMIT:
        raise InvalidValue(field=field, reason="too_many_digits", value=amount, max=PLACES)
    if amount != round(amount, PLACES):
        raise InvalidValue(field=field, reason="too_many_decimals", value=amount, max=PLACES)


def _check_text(name: str, text: str) -> None:
    if "\x00" in text:
        raise InvalidValue(field=name, reason="unstorable_text", value=text)
    if name in LENGTHS and len(text) > LENGTHS[name]:
        raise InvalidValue(field=name, reason="too_long", value=text, max=LENGTHS[name])


def read_posting(row: Any, posting: Mapping[str, Any]) -> Posted[TransactionRow] | LedgerError:
    """The outcome row of a posting: what is in the ledger, or the error that refused it."""
    return posted_or_error(
        row,
        facts_digest=bytes.fromhex(posting["facts_digest"]),
        names=FACTS,
        errors=posting_errors(posting),
        is_recorded=partial(_is_recorded, posting),
    )


def _is_recorded(posting: Mapping[str, Any], row: Any, name: str) -> bool:
    """Whether the row records what this call says of a fact: a default counts as the same fact, stated or left out.

    The row was recorded with a digest of what the first call stated; here this call's facts are compared with what became of them.
    """
    stated = dict(posting)
    if stated.get("currency") is None:
        stated["currency"] = row.wallet_currency
    if stated.get("amount") is not None:
        stated["amount"] = Decimal(stated["amount"])
    return facts_digest({name: stated.get(name)}) == facts_digest({name: recorded_facts(row)[name]})
