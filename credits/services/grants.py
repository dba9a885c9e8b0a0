"""Creates grants, and deletes or voids them."""

from collections.abc import Mapping
from datetime import UTC, date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from credits.choices import Category, TransactionKind, TransactionType, UnitType
from credits.digests import GRANT_FACTS
from credits.services.posting_errors import NOTHING_TO_DO, posting_errors
from credits.services.posting_rows import GrantRow, TransactionRow
from credits.services.text_forms import digest_from_json, digest_to_json
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError, NotFound
from kernel.ledger.fact_digests import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.money import is_currency
from kernel.ledger.outcomes import Posted, or_raise, posted_or_error

RETRYABLE_CONSTRAINTS = frozenset({"credits_grant_idempotency", "credits_grant_pkey"})


@translate_db_errors
def create_grant(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    name: str,
    unit_type: str,
    currency: str,
    amount: Decimal,
    metric_id: str | None = None,
    cost_of_credit: Decimal | None = None,
    effective_date: date | None = None,
    expiry_date: date | None = None,
    category: str = Category.PAID,
    priority: int = 50,
    idempotency_key: str | None = None,
    grant_id: UUID | None = None,
) -> Posted[GrantRow]:
    """Create a grant with its opening transaction; returns it as it was then.

    `amount`: units of the grant, > 0. `cost_of_credit`: what the customer paid for the whole grant. Dates are days in UTC, both inclusive;
    `effective_date` defaults to today. Raises InvalidValue, IdempotencyConflict (also where `grant_id` is taken by another grant).
    """
    facts = {
        "customer_id": customer_id,
        "name": name,
        "unit_type": unit_type,
        "currency": currency,
        "metric_id": metric_id if unit_type == UnitType.METRIC else None,
        "amount": amount,
        "cost_of_credit": cost_of_credit,
        "effective_date": effective_date,
        "expiry_date": expiry_date,
        "category": category,
        "priority": priority,
    }
    wanted = make_opening({"actor": actor, "request_id": request_id}, facts=facts, key=idempotency_key, grant_id=grant_id)
    [opened] = create_grants([wanted], tenant_id=tenant_id)
    return opened


def make_opening(
    audit: Mapping[str, Any], *, facts: Mapping[str, Any], key: str | None = None, grant_id: UUID | None = None, **more: Any
) -> dict[str, Any]:
    """The argument of `credits_create_grants` for one grant. Raises InvalidValue."""
    _check(facts)
    return {
        **audit,
        **facts,
        "id": grant_id or new_id(),
        "entry_id": new_id(),
        "amount": f"{facts['amount']:f}",
        "cost_of_credit": None if facts["cost_of_credit"] is None else f"{facts['cost_of_credit']:f}",
        "metric_id": facts["metric_id"] or "",
        "idempotency_key": key,
        # An effective_date that the caller left out isn't part of the digest: a retry tomorrow must still match.
        "facts_digest": digest_to_json(digest(facts, GRANT_FACTS)),
        **more,
    }


def create_grants(openings: list[dict[str, Any]], *, tenant_id: UUID) -> list[Posted[GrantRow]]:
    """Create grants; returns them as they were when they were created, by this call or an earlier one. Raises IdempotencyConflict."""
    rows = posting.post("credits_create_grants", openings, tenant_id=tenant_id, retryable_constraints=RETRYABLE_CONSTRAINTS)
    return [or_raise(opening_outcome(row, wanted)) for row, wanted in zip(rows, openings, strict=True)]


def opening_outcome(row: Any, wanted: Mapping[str, Any]) -> Posted[GrantRow] | LedgerError:
    """What became of one grant, by its row.

    Stating the default effective_date explicitly is not another request: it matches a first call that left it out.
    """
    meant = wanted["effective_date"] or timezone.now().astimezone(UTC).date()

    def is_recorded(first: Any, name: str) -> bool:
        return name == "effective_date" and str(first.effective_date) == str(meant)

    facts_digest = digest_from_json(wanted["facts_digest"])
    return posted_or_error(row, facts_digest=facts_digest, names=GRANT_FACTS, errors={}, is_recorded=is_recorded)


@translate_db_errors
def delete_grant(*, tenant_id: UUID, actor: str, request_id: str, grant_id: UUID) -> Posted[TransactionRow]:
    """Delete a grant that no transaction or hold has used. Repeating it changes nothing. Raises NotFound, GrantDrawnOn."""
    return _close(tenant_id=tenant_id, actor=actor, request_id=request_id, grant_id=grant_id, kind=TransactionKind.DELETION, reason="")


@translate_db_errors
def void_grant(*, tenant_id: UUID, actor: str, request_id: str, grant_id: UUID, reason: str) -> Posted[TransactionRow]:
    """Close a grant permanently and debit what is left. Repeating it changes nothing. Raises NotFound, GrantHeld."""
    return _close(tenant_id=tenant_id, actor=actor, request_id=request_id, grant_id=grant_id, kind=TransactionKind.VOID, reason=reason)


def make_closing(audit: Mapping[str, Any], *, grant_id: UUID, kind: str, reason: str = "") -> dict[str, Any]:
    """The argument of `credits_post` to debit what is left of a grant. `kind`: expiry, void or deletion."""
    return {
        **audit,
        "id": new_id(),
        "grant_id": grant_id,
        "kind": str(kind),
        "type": str(TransactionType.DEBIT),
        "reason": reason,
        "invoice_id": "",
    }


def _close(*, tenant_id: UUID, grant_id: UUID, kind: str, reason: str, actor: str, request_id: str) -> Posted[TransactionRow]:
    audit = {"actor": actor, "request_id": request_id}
    [row] = posting.post("credits_post", [make_closing(audit, grant_id=grant_id, kind=kind, reason=reason)], tenant_id=tenant_id)
    return or_raise(closing_outcome(row))


def closing_outcome(row: Any) -> Posted[TransactionRow] | LedgerError:
    """What became of a closing, by its row."""
    errors = {**posting_errors(requested=None), "not_found": lambda row: NotFound(kind="grant", id=row.grant_id)}
    return posted_or_error(row, facts_digest=None, names=(), errors=errors, nothing_to_do=NOTHING_TO_DO)


def _check(facts: Mapping[str, Any]) -> None:
    """Raises InvalidValue. Checks the rules that the API's fields can't check one by one."""
    for name in ("effective_date", "expiry_date"):
        check_moment(name, facts[name])
    if facts["unit_type"] == UnitType.METRIC and not facts["metric_id"]:
        raise InvalidValue(field="metric_id", reason="missing")
    if not is_currency(facts["currency"]):
        raise InvalidValue(field="currency", reason="unknown_currency")
    # Without an effective_date the database compares: the default is the day of the first call, and this may be a later retry.
    if facts["expiry_date"] and facts["effective_date"] and facts["expiry_date"] < facts["effective_date"]:
        raise InvalidValue(field="expiry_date", reason="before_effective_date")
    if not 0 <= facts["priority"] <= 100:
        raise InvalidValue(field="priority", reason="out_of_range")
