"""Reports of usage: what integrations say of a call, with the provider's own counters as the member `facts`. A recorded report
is called a fact (metering_fact), which is its published name. Where a price is known, a report becomes a cost that supersedes the
estimates."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

import msgspec

from kernel.ledger.errors import LedgerError
from kernel.ledger.outcomes import Posted, or_raise
from metering import selectors
from metering.choices import FactPhase, Pricing
from metering.pricing.choosing_prices import valid_prices
from metering.pricing.price_facts import PricingResult, price_facts
from metering.selectors import PriceTerms, RowDict, price_books
from metering.services.amendments import amend, make_amendment
from metering.services.posting_rows import AdditionRow, AmendmentRow

# The pricing of a report for which no price was asked.
NOT_ASKED = {"pricing": Pricing.NOT_ASKED.value, "pricing_note": ""}
# Looked up once: for Python before 3.12 each look-up of an enum's member, and of its value, is a call.
REQUEST, PARTIAL = FactPhase.REQUEST.value, FactPhase.PARTIAL.value
PARTLY_READ = Pricing.PARTLY_READ
PRICING_TEXTS = {pricing: pricing.value for pricing in Pricing}
_encode = msgspec.json.Encoder().encode


class ReportFacts(TypedDict, total=False):
    """What a caller reports of a transaction's usage."""

    transaction_id: Required[UUID]
    # Who reports, and the version of its form.
    source: Required[str]
    version: Required[str]
    # One of FactPhase.
    fact_phase: Required[str]
    # The text of a JSON object, as is `integration`.
    facts: Required[str]
    integration: str | None
    # The model call that it is about, where there are several.
    call_id: str | None
    # Default: now.
    occurred_at: datetime | None
    idempotency_key: str | None


class ResponseFacts(TypedDict, total=False):
    """What is reported of a call together with its completion, or with the transaction of a call that is over."""

    source: Required[str]
    version: Required[str]
    # The text of a JSON object, as is `integration`.
    facts: Required[str]
    integration: str | None
    call_id: str | None


def record_fact(*, tenant_id: UUID, actor: str, request_id: str, **facts: Unpack[ReportFacts]) -> Posted[AdditionRow]:
    """Record what was reported. Raises NotFound, InvalidValue, NotOpen, IdempotencyConflict, Busy."""
    [outcome] = record_facts(tenant_id=tenant_id, actor=actor, request_id=request_id, reports=[facts])
    return or_raise(outcome)


def record_facts(
    *, tenant_id: UUID, actor: str, request_id: str, reports: Sequence[ReportFacts], with_rows: bool = True
) -> list[Posted[AdditionRow] | LedgerError]:
    """Record many reports in one call; each is recorded or refused independently, in order: Posted or its error. Raises Busy.

    `with_rows`: each row has the costs that were `superseded`, by one more query for all.
    """
    stated: list[RowDict] = [
        {
            "source": report["source"],
            "version": report["version"],
            "facts": report["facts"],
            "phase": report["fact_phase"],
            "integration": report.get("integration"),
            "call_id": report.get("call_id"),
        }
        for report in reports
    ]
    priced = price_reports([(report["transaction_id"], one) for report, one in zip(reports, stated, strict=True)], tenant_id=tenant_id)
    items = [
        make_amendment(
            actor=actor,
            request_id=request_id,
            transaction_id=report["transaction_id"],
            stated=one | {"call": "facts"},
            fact=fact,
            cost=cost,
            idempotency_key=report.get("idempotency_key"),
            occurred_at=report.get("occurred_at"),
        )
        for report, one, (fact, cost) in zip(reports, stated, priced, strict=True)
    ]
    return additions(amend(items, tenant_id=tenant_id), items, tenant_id=tenant_id, with_rows=with_rows)


def additions(
    outcomes: Sequence[Posted[AmendmentRow] | LedgerError], items: Sequence[Mapping[str, Any]], *, tenant_id: UUID, with_rows: bool
) -> list[Posted[AdditionRow] | LedgerError]:
    """Outcomes of `amend` with what a reply says of each. `with_rows`: as record_facts."""
    rows = [outcome.row for outcome in outcomes if isinstance(outcome, Posted)]
    cost_ids = [row.cost_id for row in rows if row.cost_id] if with_rows else []
    superseded = selectors.list_superseded(tenant_id=tenant_id, cost_ids=cost_ids) if cost_ids else {}
    return [
        outcome if isinstance(outcome, LedgerError) else Posted(_addition(outcome.row, item, superseded=superseded), outcome.replayed)
        for outcome, item in zip(outcomes, items, strict=True)
    ]


def _addition(row: AmendmentRow, item: Mapping[str, Any], *, superseded: Mapping[UUID, list[RowDict]]) -> AdditionRow:
    return {
        "id": UUID(str(item["transaction_id"])),
        "status": row.status,
        "fact_id": row.fact_id,
        "cost_id": row.cost_id,
        "pricing": None if row.pricing is None else pricing_of({name: getattr(row, name) for name in selectors.PRICING}),
        "superseded": None if row.cost_id is None else superseded.get(row.cost_id),
        "reported_at": row.occurred_at if row.fact_id else None,
    }


def price_reports(reports: Sequence[tuple[UUID, RowDict]], *, tenant_id: UUID) -> list[tuple[RowDict, RowDict | None]]:
    """Each report with how its pricing went, and its cost, as `make_amendment` takes them; two queries, however many they are.

    The price is the one that the price book has for the transaction's own time; a price set meanwhile is applied by re-pricing. A report
    about a transaction that the tenant doesn't have isn't priced: metering_amend refuses it.
    """
    reports = [(UUID(str(transaction_id)), report) for transaction_id, report in reports]
    asked = {transaction_id for transaction_id, report in reports if report["phase"] != REQUEST}
    terms = selectors.list_price_terms(tenant_id=tenant_id, transaction_ids=asked) if asked else {}
    moments = [row["occurred_at"] for row in terms.values()]
    book = price_books.get_price_book(tenant_id=tenant_id, since=min(moments), until=max(moments))["prices"] if terms else []
    return [
        price_report(report, terms=terms[transaction_id], book=book) if transaction_id in terms else (report | NOT_ASKED, None)
        for transaction_id, report in reports
    ]


def price_report(report: RowDict, *, terms: PriceTerms, book: Sequence[RowDict]) -> tuple[RowDict, RowDict | None]:
    """A report with how its pricing went, and its cost; `book`: prices of any time."""
    if report["phase"] == REQUEST:
        # What a request expects isn't yet what it used.
        return report | NOT_ASKED, None
    priced = price_facts(terms=terms, facts=report["facts"], book=valid_prices(book, at=terms["occurred_at"]))
    fact = report | {
        "facts": str(report["facts"]),
        "pricing": PRICING_TEXTS[priced.pricing],
        "pricing_note": priced.note,
        "pricing_fields": _pricing_fields_text(priced),
    }
    return fact, _make_cost(priced, is_estimate=report["phase"] == PARTIAL)


def _pricing_fields_text(priced: PricingResult) -> str | None:
    """As pricing_fields, encoded; None where there are none."""
    if priced.reported is None and not priced.ignored:
        return _read_fields_text(tuple(priced.read))
    fields = pricing_fields(priced)
    if priced.reported is not None:
        fields["reported"] = {"path": priced.reported[0], "amount": f"{priced.reported[1]:f}"}
    return _encode(fields).decode()


@lru_cache(maxsize=256)
def _read_fields_text(read: tuple[str, ...]) -> str | None:
    """Cached, because nearly all reports of a batch have counters of the same names. Ignored fields are not: callers may send any names."""
    return _encode({"read": read, "ignored": ()}).decode() if read else None


def pricing_fields(priced: PricingResult) -> RowDict:
    """Which counters of the facts were priced and which not, and the cost that the reply itself states."""
    stated = {} if priced.reported is None else {"reported": {"path": priced.reported[0], "amount": priced.reported[1]}}
    return {"read": priced.read, "ignored": priced.ignored, **stated}


def _make_cost(priced: PricingResult, *, is_estimate: bool) -> RowDict | None:
    """The cost as `make_amendment` takes it; None where there is no price. If not all counters were read, the cost is an estimate."""
    if priced.amount is None:
        return None
    return {
        "amount": priced.amount,
        "currency": priced.currency,
        "is_estimate": is_estimate or priced.pricing == PARTLY_READ,
        "details": priced.details,
        "is_from_report": True,
    }


def pricing_of(fact: Mapping[str, Any]) -> RowDict:
    """How the pricing of a recorded fact went, from its columns."""
    fields = msgspec.json.decode(fact["pricing_fields"]) if fact["pricing_fields"] else {"read": [], "ignored": []}
    if "reported" in fields:
        fields["reported"] = {**fields["reported"], "amount": Decimal(fields["reported"]["amount"])}
    return {"status": fact["pricing"], "note": fact["pricing_note"] or None, **fields}
