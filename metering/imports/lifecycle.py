"""The columns of a transaction's later life: its status changes and the facts that integrations reported."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kernel.backfills.errors import RowRefused
from kernel.backfills.reading.columns import Invalid, json_from_json, one_of, text
from metering.choices import BEGINS_ROUND, MOVES, FactPhase, Pricing, Status
from metering.imports.parts import NULL, STAMPS, Part, array_readers, optional_values

MAX_REASON_LENGTH = 100_000
MAX_ROUNDS = 32_767
# The columns that only a file with a later life has.
LIFE = frozenset({"status_changes", "reported_facts", "decline_reason"})


class Step(Part, rename={"from_status": "from", "to_status": "to"}, forbid_unknown_fields=True, kw_only=True):
    """One change of status; the first has no `from`."""

    to_status: str
    from_status: str | None = None
    round: int = 1
    reason: str = ""


class Report(Part, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Facts that an integration reported, and whether they were priced."""

    source: str
    version: str
    phase: str
    facts: msgspec.Raw
    integration: msgspec.Raw = NULL
    call_id: str | None = None
    pricing: str = Pricing.NOT_ASKED.value
    pricing_note: str = ""
    pricing_fields: msgspec.Raw = NULL


def _read_step(step: Step) -> dict[str, Any]:
    status = one_of(*Status.values)
    return {
        **optional_values(step, STAMPS),
        "from": None if step.from_status is None else status(step.from_status),
        "to": status(step.to_status),
        "round": _read_round(step.round),
        "reason": text(at_most=MAX_REASON_LENGTH)(step.reason),
    }


def _read_round(number: int) -> int:
    if not 1 <= number <= MAX_ROUNDS:
        raise Invalid(f"round must be between 1 and {MAX_ROUNDS}")
    return number


def _read_report(report: Report) -> dict[str, Any]:
    facts = json_from_json(bytes(report.facts))
    if facts is None:
        raise Invalid("facts is required")
    return {
        **optional_values(report, {**STAMPS, "call_id": text(at_most=255)}),
        "source": text(at_most=255)(report.source),
        "version": text(at_most=64)(report.version),
        "phase": one_of(*FactPhase.values)(report.phase),
        "facts": facts,
        "integration": json_from_json(bytes(report.integration)),
        "pricing": one_of(*Pricing.values)(report.pricing),
        "pricing_note": text(at_most=512)(report.pricing_note),
        "pricing_fields": json_from_json(bytes(report.pricing_fields)),
    }


steps_from_json, steps_from_text = array_readers(Step, _read_step, noun="step")
reports_from_json, reports_from_text = array_readers(Report, _read_report, noun="fact")


def check_life(values: Mapping[str, Any]) -> None:
    """Raises RowRefused unless the status changes follow each other by the ledger's rules and end at the row's status."""
    before, last_round = None, 1
    for place, step in enumerate(values.get("status_changes") or ()):
        if step["from"] != before:
            raise RowRefused("status_changes", f"step {place + 1}: comes from {step['from']}, where {before or 'nothing'} was before")
        begun = before == Status.AUTHORIZED and step["round"] == last_round + 1 and step["to"] in BEGINS_ROUND
        if before is not None and not begun and Status(before) not in MOVES.get(Status(step["to"]), ()):
            raise RowRefused("status_changes", f"step {place + 1}: no transaction goes from {before} to {step['to']}")
        before, last_round = step["to"], step["round"]
    if before is not None and before != values.get("status"):
        raise RowRefused("status", f"is not {before}, where the last of status_changes leads")
    if values.get("decline_reason") is not None and values.get("status") != Status.DENIED:
        raise RowRefused("decline_reason", "belongs to a denied transaction")
