"""Imports rows again that an undone run had posted (--again): recognises them, and gives them keys of their own.

A key stays with its first row for ever, so that a repeated call of the API still finds that row. With --again the row gets the key
`<key>~2` (`~3` the time after), and its metadata says which key and which run it follows.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from kernel.backfills.adapters import Adapter, Existing, Outcome
from kernel.backfills.choices import RunState
from kernel.backfills.errors import NotAllowed, RowRefused
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import Column, Invalid
from kernel.backfills.reading.rows import Row
from kernel.tenants.models import Tenant

TAKEN_BACK = "taken_back"
RUN_PREFIX = "run:"
METADATA = "metadata"
# What an export states of a row, and another row can't have as well.
IDENTITIES = ("id", "facts_digest", "opening_id")
# The members of a row's parts that name the part itself, or another part of the row.
PART_IDS = ("id", "supersedes", "superseded_by", "inferred_from")
MAX_PART_KEY_LENGTH = 255


@dataclass(frozen=True)
class Again:
    """The undone run that a file repeats, and the number that its keys get."""

    run: str
    number: int

    @property
    def suffix(self) -> str:
        return f"~{self.number}"


def after_undo(run: BackfillRun) -> Again:
    """What --again RUN means. Raises NotAllowed unless the run was undone."""
    if run.state != RunState.UNDONE:
        raise NotAllowed(f"Run {run.id} is {run.state}: only a run that was taken back with --undo can be brought in again.")
    earlier = run.options.get("again") or {}
    return Again(run=str(run.id), number=int(earlier.get("number", 1)) + 1)


def undone_runs(tenant: Tenant, existing: Iterable[Existing]) -> set[str]:
    """Those of the rows' request ids that are runs which were undone, whole."""
    ids = {row.request_id.removeprefix(RUN_PREFIX) for row in existing if row.request_id.startswith(RUN_PREFIX)}
    if not ids:
        return set()
    runs = BackfillRun.objects.filter(tenant_id=tenant.id, id__in=[UUID(run) for run in ids], state=RunState.UNDONE)
    return {f"{RUN_PREFIX}{run}" for run in runs.values_list("id", flat=True)}


def outcome_taken_back(request_id: str) -> Outcome:
    run = request_id.removeprefix(RUN_PREFIX)
    return Outcome(TAKEN_BACK, f"is there, but taken back by undo:{run}: plan the file with --again {run} to bring it in under another key")


def values_again(adapter: Adapter, values: Mapping[str, Any], again: Again, columns: Mapping[str, Column]) -> dict[str, Any]:
    """The values of the row under its new key. Raises RowRefused if the key gets too long."""
    name = adapter.key_column
    key = values.get(name) or str(values["id"])
    follows = {column: value for column, value in values.items() if column not in IDENTITIES}
    for column in (name, *adapter.key_references):
        written = key if column == name else follows.get(column)
        if written is not None:
            follows[column] = _longer_key(columns[column], f"{written}{again.suffix}")
    follows |= _parts_again(adapter, values, again)
    if METADATA in columns:
        held = msgspec.json.decode(follows.get(METADATA) or "{}", type=dict[str, msgspec.Raw])
        held["again"] = msgspec.Raw(msgspec.json.encode({"key": key, "run": again.run}))
        follows[METADATA] = msgspec.json.encode(held).decode()
    return follows


def _parts_again(adapter: Adapter, values: Mapping[str, Any], again: Again) -> dict[str, Any]:
    """The row's parts under new ids and keys; what named another part of the row names its new id. Raises RowRefused for a long key."""
    lists: dict[str, list[dict[str, Any]]] = {name: values[name] for name in adapter.part_columns if values.get(name)}
    ids = {part["id"]: _new_part_id(part["id"], again) for parts in lists.values() for part in parts if part.get("id")}
    return {name: [_part_again(name, part, ids, again) for part in parts] for name, parts in lists.items()}


def _part_again(column: str, part: Mapping[str, Any], ids: Mapping[UUID, UUID], again: Again) -> dict[str, Any]:
    follows = {**part, **{name: ids[part[name]] for name in PART_IDS if part.get(name) in ids}}
    if key := part.get("idempotency_key"):
        follows["idempotency_key"] = f"{key}{again.suffix}"
        if len(follows["idempotency_key"]) > MAX_PART_KEY_LENGTH:
            raise RowRefused(column, f"holds a key that gets longer than {MAX_PART_KEY_LENGTH} characters with {again.suffix}")
    return follows


def _new_part_id(of: UUID, again: Again) -> UUID:
    """The same in every reading of the file. Its first half is that of the old id, which sorts by time."""
    rest = hashlib.blake2b(of.bytes + again.suffix.encode(), digest_size=8).digest()
    return UUID(bytes=of.bytes[:8] + bytes([of.bytes[8] & 0xC0 | rest[0] & 0x3F]) + rest[1:])


def _longer_key(column: Column, key: str) -> str:
    try:
        return str(column.read(key))
    except Invalid as invalid:
        raise RowRefused(column.name, str(invalid)) from invalid


def choose_keys(adapter: Adapter, tenant: Tenant, rows: Sequence[Row]) -> None:
    """Decide for each row of a --again run which of its postings is meant: under its own key, the new one, or none because it is there.

    A row that was taken back gets the new key; so does a reversal whose original was. A row that stands under any of its keys is there.
    """
    undecided = [row for row in rows if row.posting is not None and row.again is not None]
    keys = {key for row in undecided for key in _keys_of(row)}
    found = adapter.existing(tenant, sorted(keys)) if keys else {}
    undone = undone_runs(tenant, found.values())
    for row in undecided:
        first, *later = (found.get(key) for key in _keys_of(row))
        if any(one is not None and one.request_id not in undone for one in later[1:]):
            row.posting, row.is_known = None, True
        elif (first is None or first.request_id in undone) and any(one is not None and one.request_id in undone for one in (first, *later)):
            row.posting = row.again
        row.again = None


def _keys_of(row: Row) -> list[str]:
    """The row's own key, that of its original (or its own again), and the keys that earlier runs gave it."""
    posting: Any = row.posting
    return [posting.key, posting.depends_on or posting.key, *row.earlier_keys]
