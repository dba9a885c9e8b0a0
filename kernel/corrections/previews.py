"""What a correction posts, and what of that must be the same when it is confirmed as when it was seen.

The balance and the number of an entry are not compared, because every posting on the account moves them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.corrections.kinds import PostedEntry, get_kind
from kernel.corrections.models import CorrectionEntry, CorrectionRequest
from kernel.corrections.selectors import list_entries
from kernel.ledger.money import is_plain_decimal, trimmed_digits

# The fields of an entry that must be the same when it is posted as in the preview.
COMPARED_FIELDS = ("account_label", "account_id", "what", "unit", "effect")
# Fields that change with every other posting on the account. They aren't compared, and neither is the id, which is new in every attempt.
MOVING_FIELDS = ("entry_number", "balance_before", "balance_after")


@dataclass(frozen=True, slots=True)
class CorrectionDraft:
    """The content of a request before it is stored: which rows to correct, how, and why."""

    tenant_id: UUID
    kind: str
    target_ids: tuple[UUID, ...]
    facts: Mapping[str, str]
    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The entries that would be posted, each with the id of the row that it corrects. `digest` identifies what the correction does."""

    entries: tuple[tuple[UUID, PostedEntry], ...]
    digest: str
    size: dict[str, Decimal]
    needs_approval: bool


def size_of(entries: Iterable[PostedEntry]) -> dict[str, Decimal]:
    """How much of each unit is moved: the sum added or the sum taken, whichever is larger. Moving 5 from one grant to another is 5."""
    added: dict[str, Decimal] = {}
    taken: dict[str, Decimal] = {}
    for entry in entries:
        side = added if entry.effect >= 0 else taken
        side[entry.unit] = side.get(entry.unit, Decimal(0)) + abs(entry.effect)
    return {unit: max(added.get(unit, Decimal(0)), taken.get(unit, Decimal(0))) for unit in sorted({*added, *taken})}


def digest_of(kind: str, entries: Iterable[Any], *, others: str = "") -> str:
    """What the correction does: a hash of its entries, other corrections of the same rows, amounts that may shrink, and remarks."""
    takes_what_is_left = get_kind(kind).takes_what_is_left
    facts, left, remarks = [], [], []
    for position, entry in enumerate(entries):
        values = {name: getattr(entry, name) for name in COMPARED_FIELDS}
        if takes_what_is_left:
            left.append(trimmed_digits(abs(values["effect"])))
            values["effect"] = "added" if values["effect"] > 0 else "taken"
        facts.append([trimmed_digits(value) if isinstance(value, Decimal) else str(value) for value in values.values()])
        remarks += [_hash([position, line])[:16] for line in entry.remark.splitlines()]
    return "/".join((_hash(facts), others, ",".join(left), ",".join(remarks)))


def _hash(facts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def stored_digest(correction: CorrectionRequest, *, version: int) -> str:
    return digest_of(correction.kind, list_entries(correction, version=version))


def is_covered(seen: str, *, now: str) -> bool:
    """Whether what would be posted now is what was seen.

    Of the rest of an account it may be less, because others draw on it meanwhile; a remark may be gone, but none may be new.
    """
    (entries, others, left, remarks), seen_parts = now.split("/"), seen.split("/")
    if len(seen_parts) != 4 or seen_parts[0] != entries or seen_parts[1] not in {"", others}:
        return False
    seen_left = seen_parts[2].split(",")
    shrinks = (
        amount == most or (is_plain_decimal(most) and Decimal(amount) <= Decimal(most))
        for amount, most in zip(left.split(","), seen_left, strict=False)
    )
    return len(seen_left) == len(left.split(",")) and all(shrinks) and {*remarks.split(",")} <= {*seen_parts[3].split(","), ""}


def draft_of(correction: CorrectionRequest) -> CorrectionDraft:
    return CorrectionDraft(
        tenant_id=correction.tenant_id,
        kind=correction.kind,
        target_ids=tuple(correction.lines.order_by("position").values_list("target_id", flat=True)),
        facts=correction.facts,
        reason_code=correction.reason_code,
        reason=correction.reason,
    )


def entry_rows(
    correction: CorrectionRequest, entries: Sequence[tuple[UUID, PostedEntry]], *, version: int, are_posted: bool
) -> list[CorrectionEntry]:
    return [
        CorrectionEntry(
            tenant_id=correction.tenant_id,
            request=correction,
            version=version,
            position=position,
            target_id=target_id,
            entry_label=posted.entry_label,
            entry_id=posted.entry_id if are_posted else None,
            account_name=posted.account_name,
            **{name: getattr(posted, name) for name in (*COMPARED_FIELDS, *MOVING_FIELDS, "remark")},
        )
        for position, (target_id, posted) in enumerate(entries, start=1)
    ]
