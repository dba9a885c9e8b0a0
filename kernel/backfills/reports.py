"""Reports of a plan and of a run: lines for a person, one JSON object for a script."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kernel.backfills.adapters import ALREADY_THERE, CONFLICT, SKIPPED
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import escaped, quoted
from kernel.backfills.reimport_after_undo import TAKEN_BACK
from kernel.backfills.rejects import INVALID
from kernel.ledger.outcomes import POSTED

EXAMPLES_SHOWN = 10
DAYS_SHOWN = 31
ACCOUNTS_SHOWN = 20
NAMES_SHOWN = 20
# Outcomes in the order of the report; the codes of the ledger's own errors follow.
LABELS = {
    POSTED: "new",
    ALREADY_THERE: "already there",
    CONFLICT: "in conflict",
    TAKEN_BACK: "taken back",
    INVALID: "invalid",
    SKIPPED: "left out",
}


def plan_lines(run: BackfillRun) -> list[str]:
    plan = run.plan
    lines = [
        f"Plan {run.id}",
        *(f"  {path}" for path in run.source.split("\n")),
        f"  {run.rows:,} rows, {run.file_size:,} bytes, sha256 {run.file_digest}",
        "",
    ]
    lines += [f"Note: {hint}" for hint in plan["hints"]]
    lines += [f"Left out: {', '.join(map(escaped, plan['left_out']))}"] if plan["left_out"] else []
    lines += _counted(plan["counts"], LABELS)
    lines += [f"  sum {unit}  {amount}" for unit, amount in plan["sums"].items()]
    lines += _repeated(plan["repeated"], has_made_keys=bool(run.options["key_from"]))
    lines += _first_rows(plan["first_rows"])
    lines += _new_names(plan["new_names"])
    lines += _unknown_types(plan["unknown_types"])
    lines += _long_records(plan["long_records"])
    lines += _examples(plan["examples"], refused_rows(plan["counts"]))
    lines += _table("By type", plan["by_type"], ("type", "unit", "rows", "amount", "first_day", "last_day"))
    days = plan["by_type_and_day"]
    if len(days) <= DAYS_SHOWN:
        lines += _table("By type and day", days, ("day", "type", "unit", "rows", "amount"))
    elif days:
        lines += ["", f"By type and day: {len(days)} lines or more, all in the run's plan (admin, or --json)."]
    lines += _table("Accounts", plan["accounts"][:ACCOUNTS_SHOWN], ("account", "unit", "before", "after", "change", "rows", "refused"))
    if plan["accounts_moved"] > ACCOUNTS_SHOWN:
        lines.append(f"  and {plan['accounts_moved'] - ACCOUNTS_SHOWN} more: --effects FILE writes them all.")
    return lines + _back_dated(plan["back_dated"])


def result_lines(run: BackfillRun) -> list[str]:
    lines = [f"Run {run.id}: {run.state}, {run.position:,} of {run.rows:,} rows"]
    lines += _counted(run.counts, {**LABELS, POSTED: "posted"})
    lines += [f"  sum {unit}  {amount}" for unit, amount in run.sums.items()]
    if run.undone_rows:
        lines.append(f"  taken back  {run.undone_rows:,} rows")
    return lines


def summary(run: BackfillRun, **more: Any) -> dict[str, Any]:
    """The object of --json."""
    return {
        "run": str(run.id),
        "command": run.command,
        "tenant": str(run.tenant_id),
        "state": run.state,
        "source": run.source,
        "file_digest": run.file_digest,
        "plan_digest": run.plan_digest,
        "rows": run.rows,
        "position": run.position,
        "counts": run.counts,
        "sums": run.sums,
        "undone_rows": run.undone_rows,
        "stopped_because": run.stopped_because,
        **more,
    }


def has_refusals(counts: Mapping[str, int]) -> bool:
    return refused_rows(counts) > 0


def refused_rows(counts: Mapping[str, int]) -> int:
    return sum(counts.values()) - _taken(counts)


def _taken(counts: Mapping[str, int]) -> int:
    return counts.get(POSTED, 0) + counts.get(ALREADY_THERE, 0) + counts.get(SKIPPED, 0)


def counts_by_label(counts: Mapping[str, int], labels: Mapping[str, str] = LABELS) -> dict[str, int]:
    """The rows by their outcomes, in words, in the order of the report."""
    named = {label: counts[code] for code, label in labels.items() if counts.get(code)}
    return {**named, **{code: count for code, count in sorted(counts.items()) if code not in labels and count}}


def _counted(counts: Mapping[str, int], labels: Mapping[str, str]) -> list[str]:
    return [f"  {label:<14}{count:>14,}" for label, count in counts_by_label(counts, labels).items()]


def _unknown_types(types: Sequence[Mapping[str, Any]]) -> list[str]:
    """The types whose direction the plan doesn't know, each with the options that would say it."""
    if not types:
        return []
    lines = ["", "Types that the catalogue lacks, whose rows would be refused. Plan again with one of these for each:"]
    for unknown in types:
        code = escaped(unknown["type"])
        options = [f"--map-value {shlex.quote(f'type:{code}={near}')}" for near in unknown["near"]]
        options.append(f"--new-type {shlex.quote(code)}=debit|credit|signed")
        lines.append(f"  {quoted(unknown['type'])}  {unknown['rows']:,} rows  {'  or  '.join(options)}")
    return lines


def _repeated(repeated: Mapping[str, Any], *, has_made_keys: bool) -> list[str]:
    """Rows with the key of an earlier row. Where the key was made of columns, they may be rows of their own."""
    if not repeated["rows"]:
        return []
    rows = "1 row is" if repeated["rows"] == 1 else f"{repeated['rows']:,} rows are"
    line = f"{rows} equal to an earlier row of the file and posted once; the first is {repeated['first']}."
    hint = " If they are rows of their own, add a column that tells them apart to --key-from, or _line." if has_made_keys else ""
    return ["", line + hint]


def _first_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["", "The first rows, as the file has them and as they are read:"]
    for row in rows:
        lines.append(f"  {row['place']}  {_pairs(row['before'])}")
        lines.append("    is left out" if row["is_skipped"] else f"    {row['why'] or _pairs(row['after'])}")
    return lines if rows else []


def _pairs(values: Mapping[str, str]) -> str:
    return "  ".join(f"{escaped(name)}={escaped(text)}" for name, text in values.items())


def _new_names(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names that the ledger doesn't have yet: a misspelt one is seen here."""
    lines = []
    for noun, names in found.items():
        listed = [f"{quoted(name['name'])} {name['rows']:,}" for name in names["names"][:NAMES_SHOWN]]
        more = f" and {names['count'] - len(listed):,} more" if names["count"] > len(listed) else ""
        lines.append(f"  {noun}: {', '.join(listed)}{more}")
    return ["", "New in this ledger, with their rows:", *lines] if lines else []


def _long_records(records: Sequence[Mapping[str, int]]) -> list[str]:
    return [f"Warning: the record at {record['place']} spans {record['lines']} lines. Perhaps a quote is not closed." for record in records]


def _examples(examples: Sequence[Mapping[str, Any]], refused: int) -> list[str]:
    if not examples:
        return []
    lines = ["", "Would not be posted:"]
    lines += [f"  {example['place']}: {example['outcome']}: {example['why']}" for example in examples[:EXAMPLES_SHOWN]]
    left = refused - min(len(examples), EXAMPLES_SHOWN)
    return [*lines, f"  and {left:,} more"] if left > 0 else lines


def _back_dated(noted: Mapping[str, Any]) -> list[str]:
    if not noted["rows"]:
        return []
    return [
        "",
        f"Back-dated: {noted['rows']:,} rows from {noted['first']} to {noted['last']} happened before what their accounts already have.",
        "  Statements of those days by world time will change; by book time they stand as they are.",
    ]


def _table(title: str, rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    cells = [[str(row[name]) for name in names] for row in rows]
    if not cells:
        return []
    widths = [max(len(name), *(len(line[place]) for line in cells)) for place, name in enumerate(names)]
    heading = "  ".join(name.replace("_", " ").ljust(width) for name, width in zip(names, widths, strict=True))
    lines = ["  ".join(_aligned(cell, width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return ["", title, f"  {heading}".rstrip(), *(f"  {line}".rstrip() for line in lines)]


def _aligned(cell: str, width: int) -> str:
    """Numbers are aligned to the right."""
    return cell.rjust(width) if cell.replace(".", "", 1).lstrip("-").isdigit() else cell.ljust(width)
