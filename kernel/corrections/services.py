"""Correction requests: preview, request, approve, reject, withdraw, comment. A request is posted as a whole, or not at all.

A preview is the posting itself, rolled back. The code that previews is the code that posts, so the two can differ only when the ledger
changed in between; the entries are compared again when they are posted.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from kernel.corrections.choices import MAX_EVIDENCE_FILES, MAX_LINES, ReasonCode, State
from kernel.corrections.errors import (
    CorrectionRefused,
    NothingToCorrect,
    NotTheRequester,
    NotWaiting,
    OwnRequest,
    PreviewMoved,
    SameRequestWaits,
    TooManyFiles,
    TooManyLines,
)
from kernel.corrections.kinds import CorrectionInput, PostedEntry, get_kind
from kernel.corrections.models import (
    CorrectionComment,
    CorrectionEntry,
    CorrectionEvidence,
    CorrectionLine,
    CorrectionRequest,
    CorrectionStateChange,
    CorrectionThreshold,
)
from kernel.corrections.selectors import get_request, get_same_waiting, is_within_day, is_within_threshold, list_entries
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import trimmed_digits
from kernel.tenants.setting_author import setting_author

# The fields of an entry that must be the same when it is posted as in the preview. Its id is new in every attempt.
COMPARED_FIELDS = ("account_label", "account_id", "entry_number", "what", "unit", "effect", "balance_before", "balance_after")


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
class EvidenceFile:
    """An evidence file as it was uploaded."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Preview:
    """The entries that would be posted, each with the id of the row that it corrects. `digest` identifies what the person saw."""

    entries: tuple[tuple[UUID, PostedEntry], ...]
    digest: str
    size: dict[str, Decimal]
    needs_approval: bool


@translate_db_errors
def preview_correction(*, actor: str, draft: CorrectionDraft) -> Preview:
    """What would be posted now; nothing is. Raises CorrectionRefused, NothingToCorrect, TooManyLines, InvalidValue, Busy."""
    _check(draft)
    with transaction.atomic():
        preview = _post_all(draft, correction_id=new_id(), actor=actor)
        transaction.set_rollback(True)
    return preview


@translate_db_errors
def request_correction(
    *,
    actor: str,
    request_id: str,
    draft: CorrectionDraft,
    preview_digest: str,
    correction_id: UUID | None = None,
    evidence_link: str = "",
    evidence: Sequence[EvidenceFile] = (),
) -> CorrectionRequest:
    """Make a request for what the preview with this digest showed. It is posted at once where the tenant's threshold allows it.

    `correction_id`: the id of the new request, chosen when its form was shown. A second submit of the form returns the first request.
    Raises SameRequestWaits, TooManyFiles, PreviewMoved (with the new preview) and what `preview_correction` raises.
    """
    _check(draft, evidence)
    correction = CorrectionRequest(
        id=correction_id or new_id(),
        tenant_id=draft.tenant_id,
        kind=draft.kind,
        facts=dict(draft.facts),
        reason_code=draft.reason_code,
        reason=draft.reason,
        evidence_link=evidence_link,
        asked_by=actor,
        request_id=request_id,
    )
    with transaction.atomic():
        _lock_corrections(draft.tenant_id)
        if (earlier := _submitted_before(correction)) is not None:
            return earlier
        same = get_same_waiting(tenant_id=draft.tenant_id, kind=draft.kind, facts=draft.facts, target_ids=draft.target_ids)
        if same is not None:
            raise SameRequestWaits(request=same)
        with transaction.atomic():
            preview = _post_all(draft, correction_id=correction.id, actor=actor)
            transaction.set_rollback(preview.needs_approval or preview.digest != preview_digest)
        if preview.digest == preview_digest:
            return _store(correction, draft, preview, evidence)
    raise PreviewMoved(preview=preview)


def _lock_corrections(tenant_id: UUID) -> None:
    """One new request of a tenant at a time: a second submit of a form finds the first, and a day's sum counts every correction before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"corrections:{tenant_id}"])


def _submitted_before(correction: CorrectionRequest) -> CorrectionRequest | None:
    """The request that an earlier submit of the same form made."""
    return CorrectionRequest.objects.filter(tenant_id=correction.tenant_id, id=correction.id, asked_by=correction.asked_by).first()


def _store(correction: CorrectionRequest, draft: CorrectionDraft, preview: Preview, evidence: Sequence[EvidenceFile]) -> CorrectionRequest:
    """Insert the request with its lines, its entries and its evidence."""
    correction.size = {unit: trimmed_digits(amount) for unit, amount in preview.size.items()}
    correction.needs_approval = preview.needs_approval
    if not preview.needs_approval:
        correction.state, correction.decided_at = State.POSTED, timezone.now()
    correction.save(force_insert=True)
    label = get_kind(draft.kind).model_label
    CorrectionLine.objects.bulk_create(
        CorrectionLine(tenant_id=draft.tenant_id, request=correction, position=position, target_label=label, target_id=target_id)
        for position, target_id in enumerate(draft.target_ids, start=1)
    )
    _write_entries(correction, preview.entries, version=1, are_posted=not preview.needs_approval)
    _write_evidence(correction, evidence, actor=correction.asked_by)
    _write_change(correction, from_state="", actor=correction.asked_by, reason=draft.reason)
    return correction


@translate_db_errors
def approve_request(*, tenant_id: UUID, actor: str, correction_id: UUID, version: int, reason: str = "") -> CorrectionRequest:
    """Post what the preview of this version shows. If the ledger changed since, nothing is posted and the request gets a new preview.

    Raises NotFound, OwnRequest, NotWaiting, PreviewMoved, CorrectionRefused.
    """
    with transaction.atomic():
        correction = _lock_waiting(tenant_id=tenant_id, correction_id=correction_id, decider=actor)
        approved = list(list_entries(correction, version=version).values(*COMPARED_FIELDS))
        with transaction.atomic():
            preview = _post_all(_draft_of(correction), correction_id=correction.id, actor=correction.asked_by)
            is_unchanged = version == correction.preview and preview.digest == _digest(approved)
            transaction.set_rollback(not is_unchanged)
        if is_unchanged:
            _write_entries(correction, preview.entries, version=version + 1, are_posted=True)
            return _decide(correction, state=State.POSTED, actor=actor, reason=reason)
        correction.preview += 1
        correction.size = {unit: trimmed_digits(amount) for unit, amount in preview.size.items()}
        correction.save(update_fields=["preview", "size"])
        _write_entries(correction, preview.entries, version=correction.preview, are_posted=False)
    raise PreviewMoved(preview=preview)


@translate_db_errors
def reject_request(*, tenant_id: UUID, actor: str, correction_id: UUID, reason: str) -> CorrectionRequest:
    """Reject the request. Raises NotFound, OwnRequest, NotWaiting, InvalidValue (no reason)."""
    _require_text(reason)
    with transaction.atomic():
        correction = _lock_waiting(tenant_id=tenant_id, correction_id=correction_id, decider=actor)
        return _decide(correction, state=State.REJECTED, actor=actor, reason=reason)


@translate_db_errors
def withdraw_request(*, tenant_id: UUID, actor: str, correction_id: UUID, reason: str = "") -> CorrectionRequest:
    """The requester withdraws the request. Raises NotFound, NotTheRequester, NotWaiting."""
    with transaction.atomic():
        correction = _lock_waiting(tenant_id=tenant_id, correction_id=correction_id)
        if correction.asked_by != actor:
            raise NotTheRequester
        return _decide(correction, state=State.WITHDRAWN, actor=actor, reason=reason)


@translate_db_errors
def add_comment(*, tenant_id: UUID, actor: str, correction_id: UUID, text: str, comment_id: UUID | None = None) -> CorrectionComment:
    """Raises NotFound, InvalidValue (no text).

    `comment_id`: the id of the comment, chosen when its form was shown. A second submit of the form returns the first comment.
    """
    _require_text(text)
    correction = get_request(tenant_id=tenant_id, correction_id=correction_id)
    facts = {"request": correction, "actor": actor, "text": text}
    comment, _ = CorrectionComment.objects.get_or_create(tenant_id=tenant_id, id=comment_id or new_id(), defaults=facts)
    if (comment.request_id, comment.text) != (correction.pk, text):
        # The browser went back to the form, and its text was changed: that is another comment.
        comment = CorrectionComment.objects.create(tenant_id=tenant_id, **facts)
    return comment


@translate_db_errors
def add_evidence(*, tenant_id: UUID, actor: str, correction_id: UUID, files: Sequence[EvidenceFile]) -> None:
    """Keep further evidence with the request, before or after the decision. Raises NotFound, TooManyFiles.

    A file that the same person has added before, under the same name, is kept once: a form may be submitted twice.
    """
    with transaction.atomic():
        get_request(tenant_id=tenant_id, correction_id=correction_id)
        # Locked, so that two calls don't both find room for their files.
        correction = CorrectionRequest.objects.select_for_update().get(tenant_id=tenant_id, id=correction_id)
        kept = correction.evidence.filter(actor=actor)
        files = [file for file in files if not kept.filter(name=file.name[:255], content=file.content).exists()]
        if correction.evidence.count() + len(files) > MAX_EVIDENCE_FILES:
            raise TooManyFiles(max=MAX_EVIDENCE_FILES)
        _write_evidence(correction, files, actor=actor)


@translate_db_errors
def set_threshold(
    *, tenant_id: UUID, actor: str, request_id: str = "", unit: str, amount: Decimal, daily_amount: Decimal | None = None
) -> CorrectionThreshold:
    """Up to `amount` of this currency or metric, a correction needs no second person; 0: every correction does.

    `daily_amount`: what all such corrections by one person, and of one account, may come to within 24 hours; None: `amount`. Raises
    InvalidValue.
    """
    for field, value in (("amount", amount), ("daily_amount", daily_amount)):
        if value is not None and (not value.is_finite() or value < 0):
            raise InvalidValue(field=field, reason="negative", value=value)
    changes = {"amount": amount, "daily_amount": daily_amount, "updated_by": actor, "updated_at": timezone.now()}
    with setting_author(actor=actor, request_id=request_id):
        threshold, _ = CorrectionThreshold.objects.update_or_create(tenant_id=tenant_id, unit=unit, defaults=changes)
    return threshold


def _check(draft: CorrectionDraft, evidence: Sequence[EvidenceFile] = ()) -> None:
    """Raises InvalidValue, TooManyLines, NothingToCorrect."""
    if draft.reason_code not in ReasonCode.values:
        raise InvalidValue(field="reason_code", reason="unknown_choice", value=draft.reason_code, choices=list(ReasonCode.values))
    _require_text(draft.reason)
    if not draft.target_ids:
        raise NothingToCorrect
    if len(draft.target_ids) > MAX_LINES:
        raise TooManyLines(max=MAX_LINES)
    if len(evidence) > MAX_EVIDENCE_FILES:
        raise TooManyFiles(max=MAX_EVIDENCE_FILES)


def _require_text(text: str) -> None:
    if not text.strip() or "\0" in text:
        raise InvalidValue(field="reason", reason="too_short", value=text, min=1)


def _post_all(draft: CorrectionDraft, *, correction_id: UUID, actor: str) -> Preview:
    """Post everything in the caller's transaction, which the caller may roll back. Raises CorrectionRefused, NothingToCorrect."""
    entries = tuple(_post(draft, correction_id=correction_id, actor=actor))
    if not entries:
        raise NothingToCorrect
    size = _size(posted for _, posted in entries)
    effects = [(posted.account_id, posted.unit, posted.effect) for _, posted in entries]
    may_alone = is_within_threshold(tenant_id=draft.tenant_id, size=size) and is_within_day(
        tenant_id=draft.tenant_id, actor=actor, size=size, effects=effects
    )
    compared = [{name: getattr(posted, name) for name in COMPARED_FIELDS} for _, posted in entries]
    return Preview(entries=entries, digest=_digest(compared), size=size, needs_approval=not may_alone)


def _post(draft: CorrectionDraft, *, correction_id: UUID, actor: str) -> Iterable[tuple[UUID, PostedEntry]]:
    kind = get_kind(draft.kind)
    # Always in the same order, so that two requests for the same rows wait for each other instead of deadlocking.
    for target_id in sorted(draft.target_ids):
        correction = CorrectionInput(
            tenant_id=draft.tenant_id,
            actor=actor,
            request_id=f"correction:{correction_id}",
            target_id=target_id,
            facts=draft.facts,
            reason_code=draft.reason_code,
            reason=draft.reason,
            key=f"correction:{correction_id}:{target_id}",
        )
        try:
            posted = kind.post(correction)
        except LedgerError as error:
            raise CorrectionRefused(target_id=target_id, cause=error) from error
        yield from ((target_id, entry) for entry in posted)


def _size(entries: Iterable[PostedEntry]) -> dict[str, Decimal]:
    """How much of each unit is moved: the sum added or the sum taken, whichever is larger. Moving 5 from one grant to another is 5."""
    added: dict[str, Decimal] = {}
    taken: dict[str, Decimal] = {}
    for entry in entries:
        side = added if entry.effect >= 0 else taken
        side[entry.unit] = side.get(entry.unit, Decimal(0)) + abs(entry.effect)
    return {unit: max(added.get(unit, Decimal(0)), taken.get(unit, Decimal(0))) for unit in sorted({*added, *taken})}


def _digest(entries: Sequence[Mapping[str, object]]) -> str:
    facts = [
        [trimmed_digits(value) if isinstance(value, Decimal) else str(value) for value in (entry[name] for name in COMPARED_FIELDS)]
        for entry in entries
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _lock_waiting(*, tenant_id: UUID, correction_id: UUID, decider: str = "") -> CorrectionRequest:
    """The request, locked for update. Raises NotFound, OwnRequest (`decider` made it), NotWaiting."""
    get_request(tenant_id=tenant_id, correction_id=correction_id)
    correction = CorrectionRequest.objects.select_for_update().get(tenant_id=tenant_id, id=correction_id)
    if correction.asked_by == decider:
        raise OwnRequest
    if correction.state != State.WAITING:
        raise NotWaiting(state=correction.state)
    return correction


def _draft_of(correction: CorrectionRequest) -> CorrectionDraft:
    return CorrectionDraft(
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


def _write_evidence(correction: CorrectionRequest, files: Sequence[EvidenceFile], *, actor: str) -> None:
    CorrectionEvidence.objects.bulk_create(
        CorrectionEvidence(
            tenant_id=correction.tenant_id,
            request=correction,
            actor=actor,
            name=file.name[:255],
            content_type=file.content_type[:100],
            content=file.content,
        )
        for file in files
    )


def _write_entries(correction: CorrectionRequest, entries: Sequence[tuple[UUID, PostedEntry]], *, version: int, are_posted: bool) -> None:
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
            **{name: getattr(posted, name) for name in COMPARED_FIELDS},
        )
        for position, (target_id, posted) in enumerate(entries, start=1)
    )
