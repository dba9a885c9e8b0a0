"""A finished call of a tenant that prepays is paid as a create and a complete are: alone and in an array."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.models import Wallet
from metering import services
from tests.paying.book import NAMES, PayingBook, cost

pytestmark = pytest.mark.django_db
REPORT = {"source": "s", "version": "1"}


def a_book(**money: Any) -> PayingBook:
    book = PayingBook(**money)
    units = [services.parse_unit("tokens=1")]
    services.set_price(**book.who, service_name="openai", currency="USD", units=units, valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return book


def settled(book: PayingBook, row: Any) -> Any:
    """What is left and what was paid, without ids."""
    payments = [(one.status, one.captured, one.unpaid) for one in [book.payment(row)] if one.captured] if row["requires_payment"] else []
    return book.money(), row["status"], row["outcome"], [one[:2] for one in book.active(row)], payments


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("outcome", ["success", "error"])
@pytest.mark.parametrize(
    ("estimates", "facts"),
    [
        ([10], '{"tokens": 7}'),
        ([10], '{"tokens": 12}'),
        ([], '{"tokens": 7}'),
        ([], '{"tokens": 40}'),
        ([10], '{"tokens": 7, "rest_tokens": 1}'),
        ([3, 4], None),
        ([], None),
    ],
)
def test_it_is_paid_as_if_it_had_been_completed_later(size, outcome, estimates, facts):
    report = REPORT | {"facts": facts} if facts else None
    apart, at_once = (a_book(credit=6 * size, wallet=20 * size) for _ in range(2))
    rows = []
    for _ in range(size):
        row = apart.record(*(cost(amount) for amount in estimates))
        rows.append(apart.complete(row, outcome, response_facts=report) if row["status"] == "authorized" else row)
    call = NAMES | {"costs": [cost(amount) for amount in estimates], "outcome": outcome, "response_facts": report}
    done = [one.row for one in services.record_transactions(**at_once.who, transactions=[call] * size)]
    results = [[settled(book, row) for row in made] for book, made in ((at_once, done), (apart, rows))]
    if outcome == "error" and (facts is None or "rest_tokens" in facts):
        # Nothing was held, so nothing is released: what was only estimated stays an estimate.
        results = [[(left, status) for left, status, *_ in result] for result in results]
        assert at_once.money() == (6 * size, 0, 20 * size, 0)
    assert results[0] == results[1]
    for row in done:
        assert row["costs"] == sorted(row["costs"], key=lambda one: one["id"])
        shown = [one["fiat_amount"] for one in row["costs"] if one["is_active"]]
        assert sum(shown, Decimal(0)) == sum(one[0] for one in at_once.active(row))
    apart.is_sound()
    at_once.is_sound()


@pytest.mark.parametrize("currency", ["USD", "EUR"])
def test_what_a_failed_call_was_expected_to_cost_is_never_debited(currency):
    book = a_book(wallet=20)
    book.top_up(20, currency="EUR")
    row = book.record(cost(10), outcome="error")
    assert row["requires_payment"] is False
    book.add_cost(row, 2, fiat_asset_symbol=currency)
    assert book.payment(row).captured == 2
    left = {wallet.currency: wallet.balance for wallet in Wallet.objects.filter(tenant_id=book.tenant_id)}
    assert left == {"USD": 20, "EUR": 20} | {currency: 18}
    book.is_sound()


def test_the_cost_that_an_added_estimate_is_captured_for_isnt_held_against_what_its_caller_stated():
    book = a_book(wallet=50)
    row = book.complete(book.record(cost(10)))
    book.add_cost(row, 30, is_estimate=True)
    assert (sum(one[0] for one in book.active(row)), book.payment(row).captured) == (40, 40)
    book.is_sound()
