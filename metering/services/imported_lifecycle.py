"""The later life of an imported transaction: costs, facts and changes of status that came after it was recorded.

They are posted through metering_amend, with their original times."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec

from kernel.ledger import queries
from kernel.ledger.identifiers import new_id_text
from metering.choices import Status
from metering.digests import AMENDMENT_FACTS

# A cost with any of these was added by a later call, not together with its transaction.
STAMPS = frozenset({"supersedes", "inferred_from", "repricing", "idempotency_key", "facts_digest", "occurred_at"})
LIFE = frozenset({"costs", "status_changes", "reported_facts", "decline_reason"})
LONG_AGO = datetime.min.replace(tzinfo=UTC)
# The order within one call: a fact before the cost that was computed from it, and both before the change of status that closes the
# transaction, because a closed one takes no costs.
FACT, COST, MOVE = range(3)
# metering_amend dates a change of status by the database's clock. An imported one gets the time of the file.
SET_STATUS_DATES = """
UPDATE metering_transaction AS stored SET
    preparing_at = COALESCE(dates.preparing_at, stored.preparing_at),
    authorized_at = COALESCE(dates.authorized_at, stored.authorized_at),
    denied_at = COALESCE(dates.denied_at, stored.denied_at),
    cancelled_at = COALESCE(dates.cancelled_at, stored.cancelled_at),
    completed_at = COALESCE(dates.completed_at, stored.completed_at),
    decline_reason = COALESCE(dates.decline_reason, stored.decline_reason)
FROM jsonb_to_recordset(%s::jsonb) AS dates (
    tenant_id uuid, id uuid, preparing_at timestamptz, authorized_at timestamptz, denied_at timestamptz, cancelled_at timestamptz,
    completed_at timestamptz, decline_reason text
)
WHERE stored.tenant_id = dates.tenant_id AND stored.id = dates.id
RETURNING stored.id
"""


def first_status(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a posting that give the transaction the first status of its history; none where the file has no history."""
    steps = facts.get("status_changes")
    if not steps:
        return {}
    first = {
        "status": steps[0]["to"],
        "decided_at": steps[0].get("occurred_at"),
        **({"change_id": steps[0]["id"]} if "id" in steps[0] else {}),
    }
    return first if steps[0]["to"] == Status.COMPLETED else {**first, "call_outcome": None, "completed_at": None}


def came_later(cost: Mapping[str, Any]) -> bool:
    """Whether a cost was added by a later call, not together with its transaction."""
    return not STAMPS.isdisjoint(cost)


class Later(TypedDict):
    """The later life of one transaction. `calls`: what was added to it (_later_calls). `dates`: the columns for set_status_dates."""

    calls: list[dict[str, Any]]
    dates: dict[str, Any]


def later_of(facts: Mapping[str, Any]) -> Later | None:
    """The later life of a transaction; None if nothing happened after it was recorded."""
    if LIFE.isdisjoint(facts):
        return None
    calls, dates = _later_calls(facts), _status_dates(facts)
    return Later(calls=calls, dates=dates) if calls or dates else None


def _later_calls(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The calls that added to a transaction, in their order. `parts` are arguments of make_amendment; `stamps` replace its own members.

    All rows that one call wrote have its key. They are posted as one call again: a second call with the key would be a replay.
    """
    costs = facts.get("costs") or ()
    rows = [(FACT, fact, {"fact": _make_fact(fact)}) for fact in facts.get("reported_facts") or ()]
    rows += [(COST, cost, {"cost": _make_later_cost(cost, among=costs)}) for cost in costs if came_later(cost)]
    rows += [(MOVE, step, {"move": _make_move(step, facts)}) for step in (facts.get("status_changes") or ())[1:]]
    calls: dict[Any, dict[str, Any]] = {}
    for place, (_, row, part) in enumerate(sorted(rows, key=lambda one: (one[1].get("created_at") or LONG_AGO, one[0]))):
        key = row.get("idempotency_key")
        stamps = {"facts_digest": row.get("facts_digest"), "occurred_at": row.get("occurred_at")}
        call = calls.setdefault(place if key is None else key, {"parts": {"idempotency_key": key, "stated": {}}, "stamps": stamps})
        call["parts"].update(part)
        call["parts"]["stated"].update({name: row[name] for name in AMENDMENT_FACTS if row.get(name) is not None})
    return list(calls.values())


def _status_dates(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What `set_status_dates` sets on a transaction; nothing where metering_post has written it all."""
    steps = facts.get("status_changes") or ()
    if len(steps) < 2 and facts.get("decline_reason") is None:
        return {}
    dates = {f"{step['to']}_at": step["occurred_at"] for step in steps if "occurred_at" in step}
    if facts.get("completed_at") is not None:
        dates["completed_at"] = facts["completed_at"]
    return {**dates, "decline_reason": facts.get("decline_reason")}


def set_status_dates(dates: Iterable[Mapping[str, Any]]) -> None:
    """Set on imported transactions when they reached their statuses, and why they were declined."""
    if rows := list(dates):
        queries.fetch_rows(SET_STATUS_DATES, [msgspec.json.encode(rows).decode()])


def make_first_cost(cost: Mapping[str, Any]) -> dict[str, Any]:
    """A cost that came with its transaction, as the SQL type metering_new_cost has it."""
    made = {
        "id": cost.get("id") or new_id_text(),
        "amount": f"{cost['fiat_amount']:f}",
        "currency": cost["fiat_asset_symbol"],
        "is_estimate": cost["is_estimate"],
    }
    if (details := cost.get("cost_details")) is not None:
        made["details"] = details
    return made


def _make_later_cost(cost: Mapping[str, Any], *, among: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A cost of a later call. It supersedes the cost it names, and those of its transaction that name it as `superseded_by`."""
    first = [cost["supersedes"]] if cost.get("supersedes") else []
    others = [other["id"] for other in among if cost.get("id") and other.get("superseded_by") == cost["id"] and other["id"] not in first]
    more = {"supersedes_ids": first + others, "inferred_from_id": cost.get("inferred_from"), "repricing": cost.get("repricing")}
    return {**make_first_cost(cost), "amount": cost["fiat_amount"], **more}


def _make_fact(fact: Mapping[str, Any]) -> dict[str, Any]:
    names = ("source", "version", "phase", "facts", "integration", "call_id", "pricing", "pricing_note", "pricing_fields")
    return {"id": fact.get("id") or new_id_text(), **{name: fact.get(name) for name in names}}


def _make_move(step: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    call_outcome = facts.get("outcome") if step["to"] == Status.COMPLETED else None
    return {
        "id": step.get("id") or new_id_text(),
        "to_status": step["to"],
        "round": step.get("round", 1),
        "reason": step["reason"],
        "call_outcome": call_outcome,
    }
