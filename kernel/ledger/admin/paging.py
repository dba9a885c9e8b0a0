"""Pages of a list that cost the same over five million rows as over five."""

from django.core.paginator import Paginator
from django.db import connections
from django.utils.functional import cached_property

# Rows that are counted one by one; beyond, the number is an estimate or "more than".
MOST_COUNTED = 10_000
# A page further back is reached by OFFSET, whose cost grows with the distance: narrow the list instead.
MOST_PAGES = 100


class EstimatingPaginator(Paginator):
    """Counts few rows exactly, all rows by the planner's estimate, and filtered ones up to MOST_COUNTED."""

    template_name = "ledger/pagination.html"

    @cached_property
    def count(self) -> int:
        return self._estimate or self._counted

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, MOST_PAGES)

    @property
    def shown_count(self) -> str:
        """The count in words that don't promise more than is known."""
        if self._estimate:
            return f"about {self._estimate:,}"
        return f"more than {MOST_COUNTED:,}" if self._counted > MOST_COUNTED else f"{self._counted:,}"

    @property
    def is_capped(self) -> bool:
        """True if there are rows that no page number reaches."""
        return self.count > self.num_pages * self.per_page

    @cached_property
    def _counted(self) -> int:
        return self.object_list.order_by()[: MOST_COUNTED + 1].count()

    @cached_property
    def _estimate(self) -> int:
        """What the planner believes the whole table to hold; 0 if it is small, was never analysed, or rows are filtered out."""
        query = self.object_list.query
        if query.where or query.distinct or query.is_sliced:
            return 0
        connection = connections[self.object_list.db]
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(query.model._meta.db_table)
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
            rows = cursor.fetchone()[0]
        return rows if rows > MOST_COUNTED else 0
