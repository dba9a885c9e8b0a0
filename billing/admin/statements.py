"""A wallet's statement of a month as pages to print, by either clock, and as a file."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import urlencode

from billing.models import Wallet
from billing.selectors import get_statement
from billing.selectors.statements import csv_text, html_text
from kernel.ledger.admin.formatting import page_of
from kernel.ledger.clocks import Clock
from kernel.ledger.errors import InvalidValue
from kernel.ledger.moments import check_moment

# Entries on one page of a statement, months that it offers, and pages of which each has a link.
STATEMENT_PAGE, STATEMENT_MONTHS, FEW_PAGES = 1000, 12, 30
FIRST_MONTH = datetime(1900, 1, 1, tzinfo=UTC)


def statement_page(request: HttpRequest, wallet: Wallet) -> HttpResponseBase:
    """A page of the statement's entries, or all of them as CSV.

    `month` as 2026-11, in UTC, by default the current one; `clock`: book or world; `page`; `format=csv`. Raises Http404.
    """
    since = _month(request.GET.get("month", ""))
    if since is None:
        raise Http404
    clock = Clock.WORLD if request.GET.get("clock") == Clock.WORLD else Clock.BOOK
    until = _next_month(since)
    statement = get_statement(tenant_id=wallet.tenant_id, currency=wallet.currency, since=since, until=until, clock=clock)
    if request.GET.get("format") == "csv":
        response = StreamingHttpResponse(csv_text(statement), content_type="text/csv; charset=utf-8")
        name = f"statement-{wallet.tenant.slug}-{wallet.currency}-{since:%Y-%m}-{clock}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
    pages = max(-(-statement.entry_count // STATEMENT_PAGE), 1)
    wanted = request.GET.get("page", "1")
    page = min(max(int(wanted), 1), pages) if wanted.isdecimal() and len(wanted) < 9 else 1
    links = {"Back to": [(f"{wallet} of {wallet.tenant}", page_of("billing.wallet", wallet.pk), False)]}
    links |= _statement_links(since, clock=clock, page=page, pages=pages)
    text = html_text(statement, first=(page - 1) * STATEMENT_PAGE, count=STATEMENT_PAGE, links=links)
    return StreamingHttpResponse(text, content_type="text/html; charset=utf-8")


def _month(text: str) -> datetime | None:
    """The start of a month written as 2026-11, in UTC; of the current month if the text is empty; None if it is no month of the ledgers."""
    try:
        month = datetime.strptime(text or f"{timezone.now():%Y-%m}", "%Y-%m").replace(tzinfo=UTC)
        check_moment("month", month)
    except (ValueError, InvalidValue):
        return None
    return month


def _next_month(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)


def _statement_links(since: datetime, *, clock: str, page: int, pages: int) -> dict[str, list[tuple[str, str, bool]]]:
    """The choices above a statement: the months around it, the two clocks, its pages."""

    def address(**changed: Any) -> str:
        return f"?{urlencode({'month': f'{since:%Y-%m}', 'clock': clock} | changed)}"

    months = [since]
    while len(months) < STATEMENT_MONTHS and months[-1] > FIRST_MONTH:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    later = _next_month(since)
    months = [*([later] if later <= timezone.now() else []), *months]
    # Also every tenth, or every hundredth, of many pages: no page is more than a few steps away.
    step = 1 if pages <= FEW_PAGES else 10 if pages <= 10 * FEW_PAGES else 100
    numbers = sorted({1, pages, *range(step, pages + 1, step), *range(max(page - 3, 1), min(page + 3, pages) + 1)})
    clocks = ((Clock.BOOK, "when it was booked"), (Clock.WORLD, "when it happened"))
    return {
        "Month": [(f"{month:%b %Y}", address(month=f"{month:%Y-%m}"), month == since) for month in months],
        "Time": [(title, address(clock=str(each)), each == clock) for each, title in clocks],
        "Page": [(str(number), address(page=number), number == page) for number in numbers],
        "File": [("CSV", address(format="csv"), False)],
    }
