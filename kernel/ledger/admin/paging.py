"""A paginator for lists whose cost doesn't grow with the table."""

from typing import Any

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.utils.functional import cached_property

# Rows that are counted exactly. A larger number is an estimate, or "more than".
MAX_COUNTED = 10_000
# Later pages are closed: OFFSET reads every row that it skips.
MAX_PAGES = 100


class EstimatingPaginator(Paginator):
    """Counts up to MAX_COUNTED rows exactly. For a larger table without a filter it takes the planner's estimate."""

    template_name = "ledger/pagination.html"

    @cached_property
    def count(self) -> int:
        return self._estimate or self._counted

    @cached_property
    def num_pages(self) -> int:
        return min(super().num_pages, MAX_PAGES)

    @property
    def count_text(self) -> str:
        """The count, marked where it is an estimate or a lower bound."""
        if self._estimate:
            return f"about {self._estimate:,}"
        return f"more than {MAX_COUNTED:,}" if self._counted > MAX_COUNTED else f"{self._counted:,}"

    @property
    def is_capped(self) -> bool:
        """Whether there are rows after the last page."""
        return self.count > self.num_pages * self.per_page

    @property
    def _rows(self) -> QuerySet[Any]:
        rows: Any = self.object_list
        return rows

    @cached_property
    def _counted(self) -> int:
        return self._rows.order_by()[: MAX_COUNTED + 1].count()

    @cached_property
    def _estimate(self) -> int:
        """The planner's estimate of the table's rows; 0 if the table is small or was never analysed, or if the list is filtered."""
        query = self._rows.query
        if query.where or query.distinct or query.is_sliced:
            return 0
        connection = connections[self._rows.db]
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(self._rows.model._meta.db_table)
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", [table])
            rows = cursor.fetchone()[0]
        return rows if rows > MAX_COUNTED else 0
