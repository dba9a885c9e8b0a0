"""Asking for a correction, and answering for it. All of a request is posted, or nothing, in one transaction.

A preview is the posting itself, rolled back: it is computed by the very code that will post, so it can't differ from it by a bug, only
because the book moved. That is found out by comparing again when it is posted.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from kernel.corrections.choices import MOST_LINES, ReasonCode, State
from kernel.corrections.errors import CorrectionRefused, NothingToCorrect, NotTheAsker, NotWaiting, OwnRequest, PreviewMoved, TooManyLines
from kernel.corrections.kinds import Case, Posted, get_kind
from kernel.corrections.models import (
    CorrectionComment,
    CorrectionEntry,
    CorrectionEvidence,
    CorrectionLine,
    CorrectionRequest,
    CorrectionStateChange,
    CorrectionThreshold,
)
from kernel.corrections.selectors import entries_of, get_request, is_within_threshold
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import plain

# What of an entry was agreed to. Its id is made anew by every attempt, and says nothing.
AGREED = ("account_label", "account_id", "entry_number", "what", "unit", "effect", "balance_before", "balance_after")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, before anybody answers for it."""

    tenant_id: UUID
    kind: str
    target_ids: tuple[UUID, ...]
    facts: Mapping[str, str]
    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of evidence, as it was uploaded."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Preview:
    """Every entry, each with the row it corrects; `seen` is a digest of what whoever looked at it would agree to."""

    entries: tuple[tuple[UUID, Posted], ...]
    seen: str
    size: dict[str, Decimal]
    needs_approval: bool


@translate_db_errors
def preview(*, actor: str, wish: Wish) -> Preview:
    """What would be posted now. Nothing is. Raises CorrectionRefused, NothingToCorrect, TooManyLines, InvalidValue, Busy."""
    _check(wish)
    with transaction.atomic():
        found = _previewed(wish, correction_id=new_id(), actor=actor)
        transaction.set_rollback(True)
    return found


@translate_db_errors
def ask(*, actor: str, request_id: str, wish: Wish, seen: str, evidence_link: str = "", evidence: File | None = None) -> CorrectionRequest:
    """Ask for what the preview `seen` showed; posted at once where the tenant's threshold allows it, else waiting for another person.

    Raises PreviewMoved (with the new preview) and what `preview` raises.
    """
    _check(wish)
    correction = CorrectionRequest(
        id=new_id(),
        tenant_id=wish.tenant_id,
        kind=wish.kind,
        facts=dict(wish.facts),
        reason_code=wish.reason_code,
        reason=wish.reason,
        evidence_link=evidence_link,
        asked_by=actor,
        request_id=request_id,
    )
    with transaction.atomic():
        with transaction.atomic():
            found = _previewed(wish, correction_id=correction.id, actor=actor)
            transaction.set_rollback(found.needs_approval or found.seen != seen)
        if found.seen == seen:
            return _keep(correction, wish, found, evidence)
    raise PreviewMoved(preview=found)


def _keep(correction: CorrectionRequest, wish: Wish, found: Preview, evidence: File | None) -> CorrectionRequest:
    """Write the request down with its preview, and with what was posted if it was."""
    correction.size = {unit: plain(amount) for unit, amount in found.size.items()}
    correction.needs_approval = found.needs_approval
    if not found.needs_approval:
        correction.state, correction.decided_at = State.POSTED, timezone.now()
    correction.save(force_insert=True)
    label = get_kind(wish.kind).label
    CorrectionLine.objects.bulk_create(
        CorrectionLine(tenant_id=wish.tenant_id, request=correction, position=position, target_label=label, target_id=target_id)
        for position, target_id in enumerate(wish.target_ids, start=1)
    )
    _write_entries(correction, found.entries, version=1, are_posted=not found.needs_approval)
    if evidence is not None:
        CorrectionEvidence.objects.create(
            tenant_id=wish.tenant_id,
            request=correction,
            name=evidence.name[:255],
            content_type=evidence.content_type[:100],
            content=evidence.content,
        )
    _write_change(correction, from_state="", actor=correction.asked_by, reason=wish.reason)
    return correction


@translate_db_errors
def approve(*, tenant_id: UUID, actor: str, correction_id: UUID, version: int, reason: str = "") -> CorrectionRequest:
    """Post what the preview of this version shows. If the book moved since, nothing is posted, and there is a new version to look at.

    Raises NotFound, OwnRequest, NotWaiting, PreviewMoved, CorrectionRefused.
    """
    with transaction.atomic():
        correction = _waiting(tenant_id=tenant_id, correction_id=correction_id, decider=actor)
        agreed = list(entries_of(correction, version=version).values(*AGREED))
        with transaction.atomic():
            found = _previewed(_wish_of(correction), correction_id=correction.id, actor=correction.asked_by)
            is_agreed = version == correction.preview and found.seen == _digest(agreed)
            transaction.set_rollback(not is_agreed)
        if is_agreed:
            _write_entries(correction, found.entries, version=version + 1, are_posted=True)
            return _decide(correction, state=State.POSTED, actor=actor, reason=reason)
        correction.preview += 1
        correction.size = {unit: plain(amount) for unit, amount in found.size.items()}
        correction.save(update_fields=["preview", "size"])
        _write_entries(correction, found.entries, version=correction.preview, are_posted=False)
    raise PreviewMoved(preview=found)


@translate_db_errors
def reject(*, tenant_id: UUID, actor: str, correction_id: UUID, reason: str) -> CorrectionRequest:
    """Refuse it, and say why. Raises NotFound, OwnRequest, NotWaiting, InvalidValue."""
    _must_say(reason)
    with transaction.atomic():
        correction = _waiting(tenant_id=tenant_id, correction_id=correction_id, decider=actor)
        return _decide(correction, state=State.REJECTED, actor=actor, reason=reason)


@translate_db_errors
def withdraw(*, tenant_id: UUID, actor: str, correction_id: UUID, reason: str = "") -> CorrectionRequest:
    """Who asked thought better of it. Raises NotFound, NotTheAsker, NotWaiting."""
    with transaction.atomic():
        correction = _waiting(tenant_id=tenant_id, correction_id=correction_id)
        if correction.asked_by != actor:
            raise NotTheAsker
        return _decide(correction, state=State.WITHDRAWN, actor=actor, reason=reason)


@translate_db_errors
def comment(*, tenant_id: UUID, actor: str, correction_id: UUID, text: str) -> CorrectionComment:
    """Raises NotFound, InvalidValue."""
    _must_say(text)
    correction = get_request(tenant_id=tenant_id, correction_id=correction_id)
    return CorrectionComment.objects.create(tenant_id=tenant_id, request=correction, actor=actor, text=text)


@translate_db_errors
def set_threshold(*, tenant_id: UUID, actor: str, unit: str, amount: Decimal) -> CorrectionThreshold:
    """Up to `amount` in this currency or metric a correction needs no other person; 0: every one does. Raises InvalidValue."""
    if not amount.is_finite() or amount < 0:
        raise InvalidValue(field="amount", reason="negative", value=amount)
    changes = {"amount": amount, "updated_by": actor, "updated_at": timezone.now()}
    threshold, _ = CorrectionThreshold.objects.update_or_create(tenant_id=tenant_id, unit=unit, defaults=changes)
    return threshold


def _check(wish: Wish) -> None:
    """Raises InvalidValue, TooManyLines, NothingToCorrect."""
    if wish.reason_code not in ReasonCode.values:
        raise InvalidValue(field="reason_code", reason="unknown_choice", value=wish.reason_code, choices=list(ReasonCode.values))
    _must_say(wish.reason)
    if not wish.target_ids:
        raise NothingToCorrect
    if len(wish.target_ids) > MOST_LINES:
        raise TooManyLines(most=MOST_LINES)


def _must_say(text: str) -> None:
    if not text.strip() or "\0" in text:
        raise InvalidValue(field="reason", reason="too_short", value=text, min=1)


def _previewed(wish: Wish, *, correction_id: UUID, actor: str) -> Preview:
    """Post everything, and say what that did. Whoever calls decides whether it stays. Raises CorrectionRefused, NothingToCorrect."""
    entries = tuple(_post(wish, correction_id=correction_id, actor=actor))
    if not entries:
        raise NothingToCorrect
    size = _size(posted for _, posted in entries)
    needs_approval = not is_within_threshold(tenant_id=wish.tenant_id, size=size)
    agreed = [{name: getattr(posted, name) for name in AGREED} for _, posted in entries]
    return Preview(entries=entries, seen=_digest(agreed), size=size, needs_approval=needs_approval)


def _post(wish: Wish, *, correction_id: UUID, actor: str) -> Iterable[tuple[UUID, Posted]]:
    kind = get_kind(wish.kind)
    # In one order for everybody, so that two requests about the same rows wait for each other instead of deadlocking.
    for target_id in sorted(wish.target_ids):
        case = Case(
            tenant_id=wish.tenant_id,
            actor=actor,
            request_id=f"correction:{correction_id}",
            target_id=target_id,
            facts=wish.facts,
            reason_code=wish.reason_code,
            reason=wish.reason,
            key=f"correction:{correction_id}:{target_id}",
        )
        try:
            posted = kind.post(case)
        except LedgerError as error:
            raise CorrectionRefused(target_id=target_id, why=error) from error
        yield from ((target_id, entry) for entry in posted)


def _size(entries: Iterable[Posted]) -> dict[str, Decimal]:
    """How much is moved of each unit: what is added or what is taken, whichever is more. Moving 5 from one grant to another is 5."""
    added: dict[str, Decimal] = {}
    taken: dict[str, Decimal] = {}
    for entry in entries:
        side = added if entry.effect >= 0 else taken
        side[entry.unit] = side.get(entry.unit, Decimal(0)) + abs(entry.effect)
    return {unit: max(added.get(unit, Decimal(0)), taken.get(unit, Decimal(0))) for unit in sorted({*added, *taken})}


def _digest(agreed: Sequence[Mapping[str, object]]) -> str:
    facts = [[plain(value) if isinstance(value, Decimal) else str(value) for value in (entry[name] for name in AGREED)] for entry in agreed]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _waiting(*, tenant_id: UUID, correction_id: UUID, decider: str = "") -> CorrectionRequest:
    """The request, locked. Raises NotFound, OwnRequest, NotWaiting."""
    get_request(tenant_id=tenant_id, correction_id=correction_id)
    correction = CorrectionRequest.objects.select_for_update().get(tenant_id=tenant_id, id=correction_id)
    if correction.asked_by == decider:
        raise OwnRequest
    if correction.state != State.WAITING:
        raise NotWaiting(state=correction.state)
    return correction


def _wish_of(correction: CorrectionRequest) -> Wish:
    return Wish(
        tenant_id=correction.tenant_id,
        kind=correction.kind,
        target_ids=tuple(correction.lines.order_by("position").values_list("target_id", flat=True)),
        facts=correction.facts,
        reason_code=correction.reason_code,
        reason=correction.reason,
    )


def _decide(correction: CorrectionRequest, *, state: State, actor: str, reason: str) -> CorrectionRequest:
    before, correction.state, correction.decided_at = correction.state, state, timezone.now()
    changed = ["state", "decided_at"]
    if state != State.WITHDRAWN:
        correction.decided_by = actor
        changed.append("decided_by")
    correction.save(update_fields=changed)
    _write_change(correction, from_state=before, actor=actor, reason=reason)
    return correction


def _write_change(correction: CorrectionRequest, *, from_state: str, actor: str, reason: str) -> None:
    CorrectionStateChange.objects.create(
        tenant_id=correction.tenant_id, request=correction, from_state=from_state, to_state=correction.state, actor=actor, reason=reason
    )


def _write_entries(correction: CorrectionRequest, entries: Sequence[tuple[UUID, Posted]], *, version: int, are_posted: bool) -> None:
    CorrectionEntry.objects.bulk_create(
        CorrectionEntry(
            tenant_id=correction.tenant_id,
            request=correction,
            version=version,
            position=position,
            target_id=target_id,
            entry_label=posted.entry_label,
            entry_id=posted.entry_id if are_posted else None,
            account_name=posted.account_name,
            **{name: getattr(posted, name) for name in AGREED},
        )
        for position, (target_id, posted) in enumerate(entries, start=1)
    )
