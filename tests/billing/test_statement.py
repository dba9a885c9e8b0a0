"""GET /v1/billing/wallet/statement: opening + entries = closing, in three forms and by two clocks."""

import csv
import io
import itertools
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import ANY

import pytest

from billing import services
from billing.models import Transaction
from billing.selectors import get_statement

pytestmark = pytest.mark.django_db
STATEMENT = "/v1/billing/wallet/statement"


def read(response):
    return b"".join(response.streaming_content).decode()


@pytest.fixture
def ask(send):
    """The statement as parsed JSON; parameters by their spoken names."""
    import json

    def ask(**query):
        response = send("GET", f"{STATEMENT}?" + "&".join(f"{name}={value}" for name, value in query.items()))
        assert response.status_code == 200, response.content
        return json.loads(read(response), parse_float=Decimal)

    return ask


@pytest.fixture
def january(record):
    """A month's story: booked today, happened in January and February."""
    record(type="topup", amount=100, occurred_at="2026-01-02T09:00:00Z", reference_id="1", agent_id="a")
    record(type="usage", amount="30.5", occurred_at="2026-01-31T23:00:00Z", reference_id="2", description="=SUM(A1)")
    record(type="usage", amount=9.5, occurred_at="2026-02-01T00:00:00Z", reference_id="3")


def test_the_whole_reply(ask, january):
    reply = ask(**{"from": "2026-01-01", "to": "2026-02-01", "basis": "world"})
    assert reply == {
        "currency": "USD",
        "from": "2026-01-01T00:00:00.000000Z",
        "to": "2026-02-01T00:00:00.000000Z",
        "basis": "world",
        "opening_balance": 0,
        "closing_balance": Decimal("69.5"),
        "held": 0,
        "entry_count": 2,
        "totals": [
            {"type": "topup", "entries": 1, "credits": 100, "debits": 0, "net": 100},
            {"type": "usage", "entries": 1, "credits": 0, "debits": Decimal("30.5"), "net": Decimal("-30.5")},
        ],
        "entries": [
            {
                "entry_number": 1,
                "id": ANY,
                "created_at": ANY,
                "occurred_at": "2026-01-02T09:00:00.000000Z",
                "type": "topup",
                "reference_id": "1",
                "agent_id": "a",
                "description": None,
                "amount": 100,
                "effect": 100,
                "balance": 100,
                "reverses": None,
                "reason": None,
            },
            {
                "entry_number": 2,
                "id": ANY,
                "created_at": ANY,
                "occurred_at": "2026-01-31T23:00:00.000000Z",
                "type": "usage",
                "reference_id": "2",
                "agent_id": None,
                "description": "=SUM(A1)",
                "amount": Decimal("30.5"),
                "effect": Decimal("-30.5"),
                "balance": Decimal("69.5"),
                "reverses": None,
                "reason": None,
            },
        ],
    }


def test_without_parameters_it_is_this_month_by_the_book(ask, january):
    reply = ask()
    now = datetime.now(UTC)
    assert reply["from"] == now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert (reply["basis"], reply["opening_balance"], reply["closing_balance"], reply["entry_count"]) == ("book", 0, 60, 3)


def test_a_wallet_never_used_has_a_statement_of_zeros(ask, outsider, january):
    reply = ask(currency="EUR")
    assert (reply["opening_balance"], reply["closing_balance"], reply["totals"], reply["entries"]) == (0, 0, [], [])


def test_another_tenant_sees_nothing_of_it(send, outsider, january):
    assert '"entries":[]' in read(send("GET", STATEMENT, key=outsider))


@pytest.mark.parametrize("basis", ["book", "world"])
def test_each_period_closes_where_the_next_one_opens(context, basis):
    """Random entries, back-dated too, cut at random moments: every cut agrees, and every part adds up."""
    chooser = random.Random(11)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(60):
        services.record_transaction(
            **context,
            amount=Decimal(chooser.randint(-500, 500)) / 100,
            type="adjustment",
            reference_id=str(number),
            occurred_at=start + timedelta(seconds=chooser.randint(0, 10 * 86_400)),
        )
    times = sorted(Transaction.objects.values_list("created_at" if basis == "book" else "occurred_at", flat=True))
    cuts = sorted({times[0], *chooser.sample(times, 12), times[0] - timedelta(days=3), times[-1] + timedelta(days=3)})
    balance = Decimal(0)
    count = 0
    for since, until in itertools.pairwise(cuts):
        part = get_statement(tenant_id=context["tenant_id"], currency="USD", since=since, until=until, clock=basis)
        assert part.opening_balance == balance
        entries = list(part.entries())
        balance += sum((entry["effect"] for entry in entries), Decimal(0))
        assert part.closing_balance == balance
        assert part.entry_count == len(entries)
        assert not entries or entries[-1]["balance"] == balance
        if basis == "book":
            assert all(entry["balance"] == entry["balance_after"] for entry in entries)
        count += len(entries)
    assert count == 60


def test_a_period_once_closed_by_the_book_is_not_changed_by_back_dating(ask, record, january):
    edge = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    before = ask(to=edge)
    record(type="usage", amount=5, occurred_at="2026-01-15T00:00:00Z", reference_id="late")
    assert ask(to=edge) == before
    assert ask(**{"from": edge})["opening_balance"] == before["closing_balance"]
    world = ask(**{"from": "2026-01-01", "to": "2026-02-01", "basis": "world"})
    assert (world["closing_balance"], world["entry_count"]) == (Decimal("64.5"), 3)


def test_as_csv(send, january):
    response = send("GET", f"{STATEMENT}?from=2026-01-01&to=2026-02-01&basis=world&format=csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="statement-USD-2026-01-01-2026-02-01.csv"'
    rows = list(csv.DictReader(io.StringIO(read(response))))
    assert [(row["type"], row["effect"], row["balance"], row["description"]) for row in rows] == [
        ("opening_balance", "", "0", ""),
        ("topup", "100", "100", ""),
        ("usage", "-30.5", "69.5", "'=SUM(A1)"),
        ("closing_balance", "", "69.5", ""),
    ]


def test_as_a_page_to_print(send, record):
    record(type="topup", amount=1234567.5, reference_id="<script>alert(1)</script>")
    response = send("GET", STATEMENT, headers={"Accept": "text/html,application/xhtml+xml;q=0.9"})
    assert response["Content-Type"] == "text/html; charset=utf-8"
    page = read(response)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    # The one script follows the office's theme; what a caller wrote is text.
    assert page.count("<script") == page.count('<script src="/static/countinghouse/theme') == 1
    assert page.count("1,234,567.50") == 6
    assert page.strip().endswith("</html>")


@pytest.mark.parametrize(
    ("accept", "form", "expected"),
    [
        ("*/*", "", "application/json"),
        ("text/csv", "", "text/csv; charset=utf-8"),
        ("application/json, text/csv", "", "application/json"),
        ("text/html", "&format=json", "application/json"),
    ],
)
def test_the_form_is_the_parameters_or_the_accept_headers(send, accept, form, expected):
    assert send("GET", f"{STATEMENT}?currency=USD{form}", headers={"Accept": accept})["Content-Type"] == expected


def test_a_period_that_ends_before_it_starts_is_refused(send):
    response = send("GET", f"{STATEMENT}?from=2026-02-01&to=2026-01-01")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "to"]


@pytest.mark.parametrize(("basis", "count"), [("book", 5), ("world", 5)])
def test_the_number_of_queries_does_not_grow(send, january, record, django_assert_num_queries, basis, count):
    for number in range(20):
        record(type="fee", amount=1, reference_id=f"fee {number}")
    with django_assert_num_queries(count):
        assert read(send("GET", f"{STATEMENT}?from=2020-01-01&basis={basis}")).count('"entry_number"') == 23


def test_a_statement_up_to_the_first_of_a_month_is_that_of_the_month_before(ask, january):
    """A bare day is its first moment, which isn't part of the period."""
    reply = ask(to="2026-02-01", basis="world")
    assert (reply["from"], reply["to"]) == ("2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z")
    assert reply["entry_count"] == 2
    later = ask(to="2026-02-01T00:00:00.000001Z", basis="world")
    assert (later["from"], later["entry_count"]) == ("2026-02-01T00:00:00.000000Z", 1)


def test_a_csv_begins_with_a_byte_order_mark(send, january):
    """Without it a spreadsheet takes UTF-8 for the encoding of its country."""
    assert read(send("GET", f"{STATEMENT}?format=csv")).startswith("\ufeffentry_number,")


def test_a_statement_without_an_end_goes_up_to_the_databases_time(ask, send, january):
    reply = ask()
    response = send("GET", STATEMENT)
    assert response["Final-Until"] > reply["to"] > reply["entries"][-1]["created_at"]
