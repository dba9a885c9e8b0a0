"""What corrections move, as figures that lead to the entries that they add up: posted ones, or those that would be posted."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, Sum

from kernel.corrections.choices import State
from kernel.corrections.models import CorrectionEntry, CorrectionRequest
from kernel.corrections.selectors import list_requests_of_day
from kernel.ledger.admin.figures import Figure, figure_url, register_figure
from kernel.ledger.admin.formatting import Html, joined, link, money

ENTRIES = "corrections.correctionentry"
# Requests of the day that a page lists and sums.
MAX_OF_DAY = 50
ADDED, TAKEN = "added", "taken"
HOW = {"waiting": "waiting", "approved": "approved by others", "alone": "posted alone"}


def shown_version(correction: CorrectionRequest) -> int:
    """The version of the entries that it posted, or that it would post."""
    return correction.preview + (correction.state == State.POSTED and correction.needs_approval)


def moved_links(correction: CorrectionRequest) -> Html:
    """How much a request moves in each unit."""
    return joined(
        link(figure_url(ENTRIES, "moved", unit=unit, moved=f"{correction.pk}:{unit}"), money(Decimal(amount), unit))
        for unit, amount in correction.size.items()
    )


def account_link(correction_id: UUID, account_id: UUID, text: Any) -> Html:
    """A change of one account, as a link to the entries of the request that change it."""
    return link(figure_url(ENTRIES, "account", correction=correction_id, account_id=account_id), text)


def how_made(correction: CorrectionRequest) -> str:
    if correction.state == State.WAITING:
        return "waiting"
    return "approved" if correction.needs_approval else "alone"


def sums_of_day(requests: Sequence[CorrectionRequest], *, tenant_id: UUID, actor: str) -> list[tuple[Html, str]]:
    """What one person's requests of a day move: a sum for each unit, side, and way in which they were decided."""
    sides = _larger_sides(requests)
    sums: dict[tuple[str, str, str], Decimal] = {}
    for correction in requests:
        for unit, amount in correction.size.items():
            key = (how_made(correction), sides.get((correction.pk, unit), ADDED), unit)
            sums[key] = sums.get(key, Decimal(0)) + Decimal(amount)
    return [
        (
            link(figure_url(ENTRIES, "moved_in_a_day", unit=unit, day=f"{how}:{side}:{tenant_id}:{actor}|{unit}"), money(amount, unit)),
            f"{side}, {HOW[how]}",
        )
        for (how, side, unit), amount in sums.items()
        if amount
    ]


def _larger_sides(requests: Sequence[CorrectionRequest]) -> dict[tuple[UUID, str], str]:
    """By request and unit, which side its size is, as a size is defined: what it adds, or what it takes."""
    versions = {correction.pk: shown_version(correction) for correction in requests}
    entries = CorrectionEntry.objects.filter(request_id__in=versions).values("request_id", "version", "unit").order_by()
    sums: Any = entries.annotate(
        added=Sum("effect", filter=Q(effect__gte=0), default=Decimal(0)), taken=-Sum("effect", filter=Q(effect__lt=0), default=Decimal(0))
    )
    return {
        (row["request_id"], row["unit"]): ADDED if row["added"] >= row["taken"] else TAKEN
        for row in sums
        if row["version"] == versions[row["request_id"]]
    }


def _entries_moved(requests: Sequence[CorrectionRequest], unit: str, *, side: str = "") -> Q:
    """The entries on the larger side of each request; with `side`, of those whose larger side it is."""
    sides = _larger_sides(requests)
    condition = Q(pk__in=[])
    for correction in requests:
        larger_side = sides.get((correction.pk, unit))
        if larger_side and side in {"", larger_side}:
            larger = Q(effect__gte=0) if larger_side == ADDED else Q(effect__lt=0)
            condition |= Q(request_id=correction.pk, version=shown_version(correction), unit=unit) & larger
    return condition


def _of_request(value: str) -> Q:
    correction_id, _, unit = value.partition(":")
    return _entries_moved(list(CorrectionRequest.objects.filter(pk=UUID(correction_id))), unit)


def _of_day(value: str) -> Q:
    """`value`: how they were made, the side, the tenant, and the requester; then the unit, which may have any character in it."""
    key, _, unit = value.partition("|")
    how, side, tenant_id, actor = key.split(":", 3)
    requests = list_requests_of_day(tenant_id=UUID(tenant_id), actor=actor)[:MAX_OF_DAY]
    return _entries_moved([correction for correction in requests if how_made(correction) == how], unit, side=side)


def _of_correction(correction_id: str) -> Q:
    requests = CorrectionRequest.objects.filter(pk=UUID(correction_id))
    condition = Q(pk__in=[])
    for correction in requests:
        condition |= Q(request_id=correction.pk, version=shown_version(correction))
    return condition


def _by_unit(unit: str) -> Q:
    return Q(unit=unit)


for _name, _figure in {
    "moved": Figure("Moved by a correction", lambda rows: rows, _by_unit, of={"moved": _of_request}),
    "moved_in_a_day": Figure("Moved by one person's corrections within 24 hours", lambda rows: rows, _by_unit, of={"day": _of_day}),
    "account": Figure(
        "What a correction does to an account", lambda rows: rows, _by_unit, of={"correction": _of_correction, "account_id": "account_id"}
    ),
}.items():
    register_figure(ENTRIES, _name, _figure)
