"""What `credits_post` takes and returns: postings made of facts, and its outcomes read as rows or errors."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from credits.digests import TRANSACTION_FACTS, transaction_digest
from credits.services.posting_errors import NOTHING_TO_DO, posting_errors
from credits.services.posting_rows import TransactionRow
from credits.services.text_forms import digest_from_json, digest_to_json, grant_uuid
from kernel.ledger.errors import LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.outcomes import POSTED, Posted, posted_or_error

RETRYABLE_CONSTRAINTS = frozenset({"credits_transaction_idempotency"})


def make_posting(facts: Mapping[str, Any], *, actor: str, request_id: str, kind: str | None = None) -> dict[str, Any]:
    """The argument of `credits_post` for one transaction. Raises GrantNotFound, InvalidValue."""
    grant_id = grant_uuid(facts["grant_id"])
    amount: Decimal | None = facts["amount"]
    occurred_at: datetime | None = facts.get("occurred_at")
    check_moment("occurred_at", occurred_at)
    return {
        "id": new_id(),
        "actor": actor,
        "request_id": request_id,
        "grant_id": grant_id,
        "kind": kind or str(facts["type"]).lower(),
        "type": str(facts["type"]),
        "amount": None if amount is None else f"{amount:f}",
        "reason": facts.get("reason") or "",
        "invoice_id": facts.get("invoice_id") or "",
        "billing_run_id": facts.get("billing_run_id") or "",
        "occurred_at": occurred_at,
        "idempotency_key": facts.get("idempotency_key"),
        "facts_digest": digest_to_json(transaction_digest({**facts, "grant_id": grant_id})),
        "reverses_id": facts.get("reverses"),
    }


def read_posting(row: Any, posting_item: Mapping[str, Any], **more: Any) -> Posted[TransactionRow] | LedgerError:
    """The outcome row of a posting: what is in the ledger, or the error that refused it. `more`: as posted_or_error takes it."""
    if row.outcome == POSTED:
        return Posted(row)
    requested = None if posting_item["amount"] is None else Decimal(posting_item["amount"])
    return posted_or_error(
        row,
        facts_digest=digest_from_json(posting_item["facts_digest"]),
        names=TRANSACTION_FACTS,
        errors=posting_errors(requested=requested, invoice_id=posting_item["invoice_id"], reverses=posting_item["reverses_id"]),
        nothing_to_do=NOTHING_TO_DO,
        **more,
    )
