"""Calls that are recorded when they are over: their outcome, and what was reported of them, come with the transaction itself.

The result is that of a create followed by a complete; tests/metering/test_finished_calls.py holds the two equal.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from metering.choices import FactPhase, Outcome, Pricing, Status
from metering.digests import amendment_digests, with_canonical_documents
from metering.selectors import PriceTerms, RowDict, price_books
from metering.services.facts import price_report

# Looked up once: for Python before 3.12 each look-up of an enum's member is a call.
COMPLETED, SUCCESS = Status.COMPLETED.value, Outcome.SUCCESS.value
RESPONSE, ERROR = FactPhase.RESPONSE.value, FactPhase.ERROR.value


def is_finished(facts: Mapping[str, Any]) -> bool:
    """Whether a new transaction is a call that is over already. An imported row isn't one: it states its status as well."""
    return facts.get("outcome") is not None and facts.get("status") is None


def comparable_facts(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts as their digest has them: a finished call is the same fact as an imported row that says `completed`."""
    if not is_finished(facts):
        return facts
    comparable = {**facts, "status": COMPLETED}
    if facts.get("response_facts"):
        # Two digests have these documents.
        comparable["response_facts"] = with_canonical_documents(facts["response_facts"])
    return comparable


def price_book_for(transactions: Sequence[Mapping[str, Any]], *, tenant_id: UUID) -> RowDict | None:
    """The tenant's prices for `add_endings`, by one query; None where nothing was reported. `transactions`: their facts."""
    reported = [facts for facts in transactions if facts.get("response_facts")]
    if not reported:
        return None
    moments = [facts["occurred_at"] for facts in reported if facts.get("occurred_at")]
    return price_books.get_price_book(tenant_id=tenant_id, since=min(moments, default=None), until=max(moments, default=None))


def add_endings(
    posting_items: Sequence[dict[str, Any]],
    transactions: Sequence[Mapping[str, Any]],
    *,
    comparable: Sequence[Mapping[str, Any]],
    book: RowDict | None,
    make_id: Callable[[], UUID | str],
) -> None:
    """Add to the postings of finished calls what was reported of each, what that came to, and the digest of the call that would have
    completed it by itself.

    `transactions`: the facts of each posting, with all three names; `comparable`: the same by comparable_facts. `make_id` makes the ids of
    facts and costs.
    """
    finished = [trio for trio in zip(posting_items, transactions, comparable, strict=True) if is_finished(trio[1])]
    ending_digests = amendment_digests([_ending(posting_item, stated) for posting_item, _, stated in finished])
    for (posting_item, facts, _), ending_digest in zip(finished, ending_digests, strict=True):
        if book is None or not facts.get("response_facts"):
            posting_item["ending_digest"] = ending_digest.hex()
        else:
            _add_priced_report(posting_item, facts, book=book, make_id=make_id)
            posting_item["fact"]["facts_digest"] = ending_digest.hex()


def _ending(posting_item: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """What the call would state that completes a finished call by itself, with its report, if there was one."""
    ending = {"call": "complete", "outcome": stated["outcome"], "transaction_id": posting_item["id"]}
    return {**ending, **stated["response_facts"], "phase": _phase(stated)} if stated.get("response_facts") else ending


def _phase(facts: Mapping[str, Any]) -> str:
    return RESPONSE if facts["outcome"] == SUCCESS else ERROR


def _add_priced_report(posting_item: dict[str, Any], facts: Mapping[str, Any], *, book: RowDict, make_id: Callable[[], UUID | str]) -> None:
    # Unless it says otherwise, the call happened when its prices were read: the writing may wait, and a price may be set meanwhile.
    posting_item["occurred_at"] = facts.get("occurred_at") or book["now"]
    terms: PriceTerms = {
        "service__name": facts["service_name"],
        "action_name": facts["action_name"],
        "resource_name": facts["resource_name"],
        "qualifiers": facts.get("qualifiers"),
        "request_facts": facts.get("request_facts"),
        "occurred_at": posting_item["occurred_at"],
        "reported_costs": book["reported_costs"],
        "prices_self_hosted": book["prices_self_hosted"],
    }
    report = {name: value for name, value in facts["response_facts"].items() if value is not None}
    fact, cost = price_report({**report, "phase": _phase(facts)}, terms=terms, book=book["prices"])
    fact["id"] = make_id()
    posting_item["fact"] = fact
    if cost is not None:
        made = {
            "id": make_id(),
            "amount": f"{cost['amount']:f}",
            "currency": cost["currency"],
            "is_estimate": cost["is_estimate"],
            "details": cost["details"],
            "inferred_from_id": fact["id"],
        }
        _add_cost(posting_item, made)


def _add_cost(posting_item: dict[str, Any], cost: dict[str, Any]) -> None:
    """Add the cost of the report, and mark the estimates that it supersedes, as metering_choose_superseded_costs does of a later one."""
    if not posting_item["costs"]:
        posting_item["costs"].append(cost)
        return
    replaced = [sent for sent in posting_item["costs"] if sent["is_estimate"] and sent["currency"] == cost["currency"]]
    if any(not sent["is_estimate"] for sent in posting_item["costs"]) and (cost["is_estimate"] or not replaced):
        posting_item["fact"]["pricing"] = Pricing.ALREADY_KNOWN.value
        return
    for sent in replaced:
        sent["superseded_by_id"] = cost["id"]
    if replaced:
        cost["supersedes_ids"] = [sent["id"] for sent in reversed(replaced)]
    posting_item["costs"].append(cost)
