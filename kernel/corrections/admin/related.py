"""What the requester and the approver of a correction see beside it: other requests for the same rows or accounts, and cautions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from kernel.base.local_time import local_time
from kernel.corrections.admin.moved_amounts import moved_links
from kernel.corrections.choices import STATE_COLOURS, State
from kernel.corrections.kinds import get_kind
from kernel.corrections.models import CorrectionRequest
from kernel.corrections.selectors import RECENT, list_related_requests
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import actor_names, label, row_link

# Other requests that a page lists.
MAX_RELATED = 10


def kind_title(code: str) -> str:
    try:
        return get_kind(code).title
    except KeyError:
        # The app that registered the kind is no longer installed; its requests must stay readable.
        return code


def kind_cautions(code: str, *, tenant_id: UUID, target_ids: Sequence[UUID], facts: Mapping[str, str]) -> list[str]:
    try:
        return get_kind(code).cautions(tenant_id, target_ids, facts)
    except KeyError:
        return []


def related_panel(
    *, tenant_id: UUID, target_ids: Iterable[UUID], account_ids: Iterable[UUID] = (), but: CorrectionRequest | None = None
) -> Panel | None:
    """The other requests that wait or were made recently for these rows or accounts; None without any."""
    found = list_related_requests(tenant_id=tenant_id, target_ids=target_ids, account_ids=account_ids)
    others: list[Any] = list((found if but is None else found.exclude(pk=but.pk))[:MAX_RELATED])
    if not others:
        return None
    names = actor_names(other.requested_by for other in others)
    rows = [
        (
            row_link(other),
            label(other.get_state_display(), STATE_COLOURS[State(other.state)]),
            "the same row" if other.same_row else "the same account",
            kind_title(other.kind),
            moved_links(other),
            other.reason,
            names[other.requested_by],
            local_time(other.created_at),
        )
        for other in others
    ]
    headers = ("Request", "State", "Concerns", "What", "Moves", "Reason", "Requested by", "Requested")
    note = f"They wait, or were made in the last {RECENT.days} days. See that this is not the same correction again."
    return Panel("Other requests for the same rows or accounts", headers, rows, note=note)
