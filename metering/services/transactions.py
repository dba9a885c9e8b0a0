"""New transactions, one or many in one call."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import LedgerError
from kernel.ledger.identifiers import new_id, new_id_text
from kernel.ledger.outcomes import Posted, or_raise
from kernel.ledger.posting import greenlets
from metering.digests import transaction_digest, transaction_digests
from metering.selectors import RowDict
from metering.services import finished_calls, new_transaction_calls
from metering.services.facts import ResponseFacts
from metering.services.naming import with_names
from metering.services.new_transaction_rows import AnsweredPosting, outcomes_of
from metering.services.postings import make_posting

# The columns that are read of each outcome where a short reply is wanted: not those of its service, agent and trace.
SHORT: dict[str, Any] = {"columns_if_refused": ("id", "first_digest"), "columns_always": ("status",)}


class NewCost(TypedDict, total=False):
    """A cost that is stated together with its transaction."""

    fiat_amount: Required[Decimal]
    # ISO 4217.
    fiat_asset_symbol: Required[str]
    is_estimate: Required[bool]
    # The text of a JSON object.
    cost_details: str | None


class TransactionFacts(TypedDict, total=False):
    """What a caller says of a transaction. It names its service, or has request facts from which the names are derived."""

    service_name: str | None
    action_name: str | None
    resource_name: str | None
    # The text of a JSON object, as the next three.
    request_facts: str | None
    qualifiers: str | None
    metadata: str | None
    payment_data: str | None
    # An unknown trace or agent is made.
    trace_id: UUID | None
    trace_external_id: str | None
    agent_id: UUID | None
    agent_name: str | None
    # For which of the tenant's customers.
    customer_id: str | None
    costs: Sequence[NewCost] | None
    # Default: now.
    occurred_at: datetime | None
    idempotency_key: str | None
    # One of choices.Outcome, of a call that is over, and what was reported of it.
    outcome: str | None
    response_facts: ResponseFacts | None
    # Only of what a file brings in.
    status: str | None
    completed_at: datetime | None


@translate_db_errors
def record_transaction(
    *, tenant_id: UUID, actor: str, request_id: str, checks_occurred_at: bool = False, **facts: Unpack[TransactionFacts]
) -> Posted[RowDict]:
    """Record one transaction, as record_transactions does it. Raises IdempotencyConflict, InvalidValue, Busy."""
    named = with_names(facts)
    comparable = finished_calls.comparable_facts(named)
    posting_item = make_posting(
        named,
        facts_digest=transaction_digest(comparable),
        actor=actor,
        request_id=request_id,
        checks_occurred_at=checks_occurred_at,
        make_id=new_id,
    )
    if finished_calls.is_finished(named):
        greenlets.run_or_retry_in_thread(lambda: _add_ending(posting_item, named, comparable=comparable, tenant_id=tenant_id))
    row = new_transaction_calls.post_new_transaction(posting_item, tenant_id=tenant_id)
    [outcome] = greenlets.run_or_retry_in_thread(lambda: outcomes_of([AnsweredPosting(row, posting_item, named)], tenant_id=tenant_id))
    return or_raise(outcome)


@translate_db_errors
def record_transactions(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    transactions: Sequence[TransactionFacts],
    checks_occurred_at: bool = False,
    with_rows: bool = True,
) -> list[Posted[RowDict] | LedgerError]:
    """Record many in one call; each is recorded or refused independently, in order: Posted or its error.

    The row is the whole transaction. That of a finished call also has `fact_id`, `pricing`, `cost_id` and `superseded` of what was
    reported, where it has them. Without `with_rows` a new row has id, status, fact_id and cost_id only. `checks_occurred_at`: occurred_at
    must lie within the bounds of the tenant's policy, as in calls of the API. Raises Busy.
    """
    named = [with_names(facts) for facts in transactions]
    # As text they are made faster; rows have them as UUIDs.
    make_id = new_id if with_rows else new_id_text
    comparable = [finished_calls.comparable_facts(facts) for facts in named]
    posting_items = [
        make_posting(
            facts, facts_digest=facts_digest, actor=actor, request_id=request_id, checks_occurred_at=checks_occurred_at, make_id=make_id
        )
        for facts, facts_digest in zip(named, transaction_digests(comparable), strict=True)
    ]
    book = finished_calls.price_book_for(named, tenant_id=tenant_id)
    finished_calls.add_endings(posting_items, named, comparable=comparable, book=book, make_id=make_id)
    rows = new_transaction_calls.post_new_transactions(posting_items, tenant_id=tenant_id, **({} if with_rows else SHORT))
    answers = [AnsweredPosting(*answer) for answer in zip(rows, posting_items, named, strict=True)]
    return outcomes_of(answers, tenant_id=tenant_id, with_rows=with_rows)


def _add_ending(posting_item: dict[str, Any], facts: Mapping[str, Any], *, comparable: Mapping[str, Any], tenant_id: UUID) -> None:
    """Add to the posting of a finished call what ended it. On the event loop it runs twice (greenlets): nothing comes before its query."""
    book = finished_calls.price_book_for([facts], tenant_id=tenant_id)
    finished_calls.add_endings([posting_item], [facts], comparable=[comparable], book=book, make_id=new_id)
