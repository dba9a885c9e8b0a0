"""Posts a correction: for a preview, which is rolled back, and for good."""

from collections.abc import Iterable
from uuid import UUID

from kernel.corrections.errors import CorrectionRefused, NothingToCorrect
from kernel.corrections.kinds import CorrectionInput, PostedEntry, correction_key, get_kind
from kernel.corrections.previews import CorrectionDraft, Preview, digest_of, size_of
from kernel.corrections.selectors import corrections_of_rows, is_within_day, is_within_threshold
from kernel.ledger.errors import LedgerError


def post_all(draft: CorrectionDraft, *, correction_id: UUID, actor: str) -> Preview:
    """Post everything in the caller's transaction, which the caller may roll back. Raises CorrectionRefused, NothingToCorrect."""
    entries = tuple(_post(draft, correction_id=correction_id, actor=actor))
    if not entries:
        raise NothingToCorrect
    size = size_of(posted for _, posted in entries)
    effects = [(posted.account_id, posted.unit, posted.effect) for _, posted in entries]
    may_alone = is_within_threshold(tenant_id=draft.tenant_id, size=size) and is_within_day(
        tenant_id=draft.tenant_id, actor=actor, size=size, effects=effects
    )
    # Read after the posting, under the locks that it took: another correction of the same rows has committed, or waits for this one.
    others = corrections_of_rows(tenant_id=draft.tenant_id, target_ids=draft.target_ids, but=correction_id)
    digest = digest_of(draft.kind, [posted for _, posted in entries], others=others)
    return Preview(entries=entries, digest=digest, size=size, needs_approval=not may_alone)


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
            key=correction_key(correction_id, target_id),
        )
        try:
            posted = kind.post(correction)
        except LedgerError as error:
            raise CorrectionRefused(target_id=target_id, cause=error) from error
        yield from ((target_id, entry) for entry in posted)
