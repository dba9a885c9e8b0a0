"""The wire format of the metering API: camelCase, money as strings with 18 decimals, errors as `{"message", "error", "statusCode"}`."""

from collections.abc import Sequence
from typing import Any

from kernel.api.batches import BatchOutcome, ItemOutcome
from kernel.api.camel_case_dialect import ERROR_TEXTS, FIELD_WORDS, CamelCaseDialect
from kernel.api.dialect import Dialect
from kernel.api.problems import Problem
from metering.choices import MOVES, Status

# Messages about one value; the field's path stands before them.
OWN_FIELD_WORDS = {
    "unknown_agent": "must be an agent of yours, or come with agentName",
    "too_early": "must be later than the beginning",
    "too_many_points": "leads to more than {max} points: choose a shorter time or a longer interval",
}
OWN_ERROR_TEXTS = {
    "wrong_status": "Transaction {id} must be in {needed} status to {verb}. Current status: {status}",
    "not_open": "Transaction {id} takes no costs or facts any more. Current status: {status}",
    "cost_of_another": "Cost {id} belongs to another transaction",
    "already_superseded": "Cost {id} has already been superseded",
    "agent_exists": "An agent with this name exists already",
}
VERBS = {
    Status.COMPLETED: "complete",
    Status.CANCELLED: "cancel",
    Status.AUTHORIZED: "authorize",
    Status.PREPARING: "prepare",
    Status.DENIED: "deny",
}


def either(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


# For the refusal of a move to a status: its verb, and the statuses that it may start from.
MOVE_SENTENCES = {str(status): (VERBS[status], either([str(start) for start in starts])) for status, starts in MOVES.items()}


class MeteringDialect(CamelCaseDialect):
    """The wire format and messages of `/v1/transactions` and the other calls of the ledger."""

    name = "Metering"
    field_words = FIELD_WORDS | OWN_FIELD_WORDS
    error_texts = ERROR_TEXTS | OWN_ERROR_TEXTS
    kinds = {"transaction": "Transaction", "cost": "Cost", "trace": "Trace", "agent": "Agent", "price": "Price"}
    statuses = {
        **Dialect.statuses,
        "wrong_status": 400,
        "not_open": 400,
        "cost_of_another": 400,
        "already_superseded": 409,
        "agent_exists": 409,
    }

    def sentence(self, problem: Problem) -> str:
        if problem.code == "wrong_status":
            verb, needed = MOVE_SENTENCES[problem.facts["wanted"]]
            return OWN_ERROR_TEXTS["wrong_status"].format(**problem.facts, verb=verb, needed=needed)
        return super().sentence(problem)

    def batch_item(self, item: ItemOutcome, row: Any) -> dict[str, Any]:
        if item.problem is not None:
            return {"index": item.index, "status": self.status(item.problem), "error": self.error_body(item.problem)}
        body = {"index": item.index, "status": 201, "id": item.row["id"]}
        replayed = {"replayed": True} if item.status == "replayed" else {}
        return body | replayed | ({} if row is None else {"transaction": row})

    def batch_body(self, outcome: BatchOutcome, items: list[Any]) -> dict[str, Any]:
        return {"data": items, "meta": outcome.counts}


dialect = MeteringDialect()
