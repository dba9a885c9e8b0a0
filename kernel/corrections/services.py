"""Correction requests: preview, request, approve, reject, withdraw, comment. A request is posted as a whole, or not at all.

A preview is the posting itself, rolled back. The code that previews is the code that posts, so the two can differ only when the ledger
changed in between. What the correction does is compared again when it is posted, under the locks of the posting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from kernel.base.setting_author import setting_author
from kernel.corrections.choices import MAX_EVIDENCE_FILES, MAX_LINES, ReasonCode, State
from kernel.corrections.errors import (
    NothingToCorrect,
    NotTheRequester,
    NotWaiting,
    OwnRequest,
    PreviewMoved,
    SameRequestWaits,
    TooManyFiles,
    TooManyLines,
)
from kernel.corrections.kinds import PostedEntry, get_kind
from kernel.corrections.models import (
    CorrectionComment,
    CorrectionEntry,
    CorrectionEvidence,
    CorrectionLine,
    CorrectionRequest,
    CorrectionStateChange,
    CorrectionThreshold,
)
from kernel.corrections.post_correction import post_all
from kernel.corrections.previews import CorrectionDraft, Preview, draft_of, entry_rows, is_covered, stored_digest
from kernel.corrections.selectors import get_request, get_same_waiting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import trimmed_digits


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """An evidence file as it was uploaded."""

    name: str
    content_type: str
    content: bytes


@translate_db_errors
def preview_correction(*, actor: str, draft: CorrectionDraft) -> Preview:
    """What would be posted now; nothing is. Raises CorrectionRefused, NothingToCorrect, TooManyLines, InvalidValue, Busy."""
    _check(draft)
    with transaction.atomic():
        preview = post_all(draft, correction_id=new_id(), actor=actor)
        transaction.set_rollback(True)
    return preview


@translate_db_errors
def preview_request(*, tenant_id: UUID, correction_id: UUID) -> tuple[Preview, list[CorrectionEntry], bool]:
    """What a waiting request would post now, its entries as unsaved rows, and whether it is what its own preview shows; nothing is posted.

    Raises NotFound and what `preview_correction` raises.
    """
    correction = get_request(tenant_id=tenant_id, correction_id=correction_id)
    with transaction.atomic():
        preview = post_all(draft_of(correction), correction_id=correction.id, actor=correction.requested_by)
        transaction.set_rollback(True)
    entries = entry_rows(correction, preview.entries, version=correction.preview, are_posted=False)
    return preview, entries, is_covered(stored_digest(correction, version=correction.preview), now=preview.digest)


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
        requested_by=actor,
        request_id=request_id,
    )
    with transaction.atomic():
        _lock_corrections(draft.tenant_id)
        if (earlier := _submitted_before(correction)) is not None:
            return earlier
        _check_none_waits(draft)
        with transaction.atomic():
            preview = post_all(draft, correction_id=correction.id, actor=actor)
            is_seen = is_covered(preview_digest, now=preview.digest)
            transaction.set_rollback(preview.needs_approval or not is_seen)
        if is_seen:
            return _store(correction, draft, preview, evidence)
    raise PreviewMoved(preview=preview)


def _check_none_waits(draft: CorrectionDraft) -> None:
    """Raises SameRequestWaits."""
    same = get_same_waiting(tenant_id=draft.tenant_id, kind=draft.kind, facts=draft.facts, target_ids=draft.target_ids)
    if same is not None:
        raise SameRequestWaits(request=same)


def _lock_corrections(tenant_id: UUID) -> None:
    """One new request of a tenant at a time: a second submit of a form finds the first, and a day's sum counts every correction before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"corrections:{tenant_id}"])


def _submitted_before(correction: CorrectionRequest) -> CorrectionRequest | None:
    """The request that an earlier submit of the same form made."""
    return CorrectionRequest.objects.filter(tenant_id=correction.tenant_id, id=correction.id, requested_by=correction.requested_by).first()


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
    _write_evidence(correction, evidence, actor=correction.requested_by)
    _write_change(correction, from_state="", actor=correction.requested_by, reason=draft.reason)
    return correction


@translate_db_errors
def approve_request(
    *, tenant_id: UUID, actor: str, correction_id: UUID, version: int, preview_digest: str = "", reason: str = ""
) -> CorrectionRequest:
    """Post what the preview of this version shows. If it would do something else, nothing is posted and the request gets a new preview.

    `preview_digest`: of `preview_request`, when the approver saw the request; another correction of the same rows since stops it too.
    Raises NotFound, OwnRequest, NotWaiting, PreviewMoved, CorrectionRefused.
    """
    with transaction.atomic():
        correction = _lock_waiting(tenant_id=tenant_id, correction_id=correction_id, decider=actor)
        approved = stored_digest(correction, version=version)
        with transaction.atomic():
            preview = post_all(draft_of(correction), correction_id=correction.id, actor=correction.requested_by)
            is_unchanged = version == correction.preview and is_covered(approved, now=preview.digest)
            is_unchanged = is_unchanged and (not preview_digest or is_covered(preview_digest, now=preview.digest))
            transaction.set_rollback(not is_unchanged)
        if is_unchanged:
            # What is left of an account may be less by now.
            correction.size = {unit: trimmed_digits(amount) for unit, amount in preview.size.items()}
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
        if correction.requested_by != actor:
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
        present = correction.evidence.filter(actor=actor)
        files = [file for file in files if not present.filter(name=file.name[:255], content=file.content).exists()]
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


def _lock_waiting(*, tenant_id: UUID, correction_id: UUID, decider: str = "") -> CorrectionRequest:
    """The request, locked for update. Raises NotFound, OwnRequest (`decider` made it), NotWaiting."""
    get_request(tenant_id=tenant_id, correction_id=correction_id)
    correction = CorrectionRequest.objects.select_for_update().get(tenant_id=tenant_id, id=correction_id)
    if correction.requested_by == decider:
        raise OwnRequest
    if correction.state != State.WAITING:
        raise NotWaiting(state=correction.state)
    return correction


def _decide(correction: CorrectionRequest, *, state: State, actor: str, reason: str) -> CorrectionRequest:
    before, correction.state, correction.decided_at = correction.state, state, timezone.now()
    changed = ["state", "decided_at", "size"]
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
    CorrectionEntry.objects.bulk_create(entry_rows(correction, entries, version=version, are_posted=are_posted))
