"""What became of a transaction of history after it was recorded: told again by the ledger's own amendments, at its own times."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec

from kernel.ledger import posting
from kernel.ledger.identifiers import new_id_text
from metering.choices import Status

# What a cost has that was added by a call of its own.
STAMPS = frozenset({"supersedes", "inferred_from", "repricing", "idempotency_key", "facts_digest", "occurred_at"})
LIFE = frozenset({"costs", "status_changes", "reported_facts", "decline_reason"})
LONG_AGO = datetime.min.replace(tzinfo=UTC)
# Within one call a fact is there before the cost that came of it, and both before the step that closes the transaction.
FACT, COST, MOVE = range(3)
# What a step of the status leaves on the transaction's own row. `metering_amend` puts the book's moment there: of history it is known when.
PUT_DATES = """
UPDATE metering_transaction AS kept SET
    preparing_at = COALESCE(given.preparing_at, kept.preparing_at),
    authorized_at = COALESCE(given.authorized_at, kept.authorized_at),
    denied_at = COALESCE(given.denied_at, kept.denied_at),
    cancelled_at = COALESCE(given.cancelled_at, kept.cancelled_at),
    completed_at = COALESCE(given.completed_at, kept.completed_at),
    decline_reason = COALESCE(given.decline_reason, kept.decline_reason)
FROM jsonb_to_recordset(%s::jsonb) AS given (
    tenant_id uuid, id uuid, preparing_at timestamptz, authorized_at timestamptz, denied_at timestamptz, cancelled_at timestamptz,
    completed_at timestamptz, decline_reason text
)
WHERE kept.tenant_id = given.tenant_id AND kept.id = given.id
RETURNING kept.id
"""


def beginning(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where a transaction began, if its steps are known: in the first of them, and completed only if that was all."""
    steps = facts.get("status_changes")
    if not steps:
        return {}
    first = {"status": steps[0]["to"], **({"change_id": steps[0]["id"]} if "id" in steps[0] else {})}
    return first if steps[0]["to"] == Status.COMPLETED else {**first, "outcome": None, "completed_at": None}


def came_later(cost: Mapping[str, Any]) -> bool:
    """Whether a cost was added by a call of its own, not along with its transaction."""
    return not STAMPS.isdisjoint(cost)


class Later(TypedDict):
    """What became of a transaction: the calls that added to it, in their order, and what `put_dates` is to put on it."""

    calls: list[dict[str, Any]]
    dates: dict[str, Any]


def later_of(facts: Mapping[str, Any]) -> Later | None:
    """What became of a transaction after it was recorded; None where nothing did."""
    if LIFE.isdisjoint(facts):
        return None
    calls, dates = _later_calls(facts), _dates_of(facts)
    return Later(calls=calls, dates=dates) if calls or dates else None


def _later_calls(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls that added to a transaction, in their order; `parts` are arguments of `amendment`, `said` what replaces its own.

    A key stands on every row that its call wrote, so rows of one key come in together or the second would be taken for a repetition.
    """
    rows = [(FACT, fact, {"fact": _fact(fact)}) for fact in facts.get("reported_facts") or ()]
    rows += [(COST, cost, {"cost": _later_cost(cost)}) for cost in facts.get("costs") or () if came_later(cost)]
    rows += [(MOVE, step, {"move": _move(step, facts)}) for step in (facts.get("status_changes") or ())[1:]]
    calls: dict[Any, dict[str, Any]] = {}
    for place, (_, row, part) in enumerate(sorted(rows, key=lambda one: (one[1].get("created_at") or LONG_AGO, one[0]))):
        key = row.get("idempotency_key")
        said = {"digest": row.get("facts_digest"), "occurred_at": row.get("occurred_at")}
        call = calls.setdefault(place if key is None else key, {"parts": {"idempotency_key": key}, "said": said})
        call["parts"].update(part)
    return list(calls.values())


def _dates_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What `put_dates` puts on a transaction; nothing where `metering_post` has said it all."""
    steps = facts.get("status_changes") or ()
    if len(steps) < 2 and facts.get("decline_reason") is None:
        return {}
    dates = {f"{step['to']}_at": step["occurred_at"] for step in steps if "occurred_at" in step}
    if facts.get("completed_at") is not None:
        dates["completed_at"] = facts["completed_at"]
    return {**dates, "decline_reason": facts.get("decline_reason")}


def put_dates(dates: Iterable[Mapping[str, Any]]) -> None:
    """Put on transactions of history when they reached their statuses, and why they were declined."""
    if rows := list(dates):
        posting.run(PUT_DATES, [msgspec.json.encode(rows).decode()])


def part_of_cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    """A cost that came with its transaction, as `metering_post` takes it."""
    line = {
        "id": cost.get("id") or new_id_text(),
        "amount": f"{cost['fiat_amount']:f}",
        "currency": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
    }
    if (details := cost.get("cost_details")) is not None:
        line["details"] = details
    return line


def _later_cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    more = {name: cost.get(name) for name in ("supersedes", "inferred_from", "repricing")}
    return {**part_of_cost(cost), "amount": cost["fiat_amount"], **more}


def _fact(fact: Mapping[str, Any]) -> dict[str, Any]:
    names = ("source", "version", "phase", "facts", "integration", "pricing", "pricing_note")
    return {"id": fact.get("id") or new_id_text(), **{name: fact[name] for name in names}}


def _move(step: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    outcome = facts.get("outcome") if step["to"] == Status.COMPLETED else None
    return {"id": step.get("id") or new_id_text(), "to": step["to"], "reason": step["reason"], "outcome": outcome}
