"""The upkeep of counters: history that a new rule still has to count, entries that left their windows, sums that nobody needs any more."""

from uuid import UUID

from django.db.models import Q

from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors
from metering.rules.models import RuleMeasure
from metering.rules.services.counting import CLEANED_PER_PAGE, DROPPED_PER_PAGE, SEEDED_PER_PAGE

# So many pages of one measure or tenant are looked at in one run; the next run goes on.
MAX_PAGES = 1000


@translate_db_errors
def seed_measures(*, tenant_id: UUID | None = None, per_page: int = SEEDED_PER_PAGE) -> int:
    """Count history for measures that are not complete, a page at a time. The number of measures completed. Raises Busy."""
    seeding = RuleMeasure.objects.filter(is_seeding=True)
    if tenant_id is not None:
        seeding = seeding.filter(tenant_id=tenant_id)
    return sum(_seed(owner, measure, per_page) for owner, measure in list(seeding.order_by("id").values_list("tenant_id", "id")))


def _seed(tenant_id: UUID, measure_id: UUID, per_page: int) -> bool:
    for _ in range(MAX_PAGES):
        [row] = queries.fetch_rows("SELECT rules_seed_more(%s, %s, %s) AS is_done", [tenant_id, measure_id, per_page])
        if row.is_done:
            return True
    return False


@translate_db_errors
def clean_counters(*, actor: str, tenant_id: UUID | None = None, per_page: int = CLEANED_PER_PAGE) -> int:
    """Delete entries behind their windows and counters without entries, and drop the sums of retired measures, a page at a time.

    Returns the number of pages. Raises Busy.
    """
    measured = RuleMeasure.objects.all() if tenant_id is None else RuleMeasure.objects.filter(tenant_id=tenant_id)
    return sum(_clean(owner, actor, per_page) for owner in sorted(set(measured.order_by().values_list("tenant_id", flat=True))))


def _clean(tenant_id: UUID, actor: str, per_page: int) -> int:
    pages, behind = 0, None
    for _ in range(MAX_PAGES):
        [row] = queries.fetch_rows("SELECT rules_clean_counters(%s, %s, %s) AS last", [tenant_id, behind, per_page])
        pages, behind = pages + 1, row.last
        if behind is None:
            break
    return pages + _drop(tenant_id, actor)


def _drop(tenant_id: UUID, actor: str) -> int:
    retired = RuleMeasure.objects.filter(tenant_id=tenant_id, retire_at__isnull=False)
    pages, deleted = 0, DROPPED_PER_PAGE
    while deleted >= DROPPED_PER_PAGE and pages < MAX_PAGES and retired.filter(Q(groups__gt=0) | Q(is_counting=True)).exists():
        [row] = queries.fetch_rows("SELECT rules_drop_measures(%s, %s, %s) AS deleted", [tenant_id, actor, DROPPED_PER_PAGE])
        pages, deleted = pages + 1, row.deleted
    return pages
