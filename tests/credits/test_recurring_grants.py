"""/credit-schedules and issue_recurring_credits."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import permutations

import pytest
import time_machine
from django.core.management import call_command

from credits import services
from credits.models import Grant, RecurringGrant
from tests.credits.test_create_transaction import refused

PATH = "/credit-schedules"


@pytest.fixture
def clock():
    with time_machine.travel(datetime(2026, 1, 15, 12, tzinfo=UTC), tick=False) as clock:
        yield clock


def create_recurring_grant(book, **facts):
    defaults = {"customer_id": "acme", "name": "Allowance", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(100)}
    return services.create_recurring_grant(**book.context, **defaults | facts).row.id


def issue(clock, *when):
    clock.move_to(datetime(*when, tzinfo=UTC))
    call_command("issue_recurring_credits", verbosity=0)


def periods(recurring_grant_id):
    grants = Grant.objects.filter(recurring_grant_id=recurring_grant_id).order_by("period")
    return [(grant.effective_date.isoformat(), grant.expiry_date.isoformat()) for grant in grants]


def test_a_recurring_grant_issues_its_first_grant_at_once_and_the_next_on_their_days(api, book, clock):
    body = {
        "customerId": "acme",
        "name": "Allowance",
        "creditUnitType": "METRIC",
        "metricId": "calls",
        "currency": "USD",
        "amount": 100.5,
        "rolloverCap": 20,
    }
    reply = api.post(PATH, body, key="k")
    row = RecurringGrant.objects.get()
    expected = body | {
        "id": str(row.id),
        "sequenceAccountId": str(api.tenant.id),
        "category": "paid",
        "priority": 50,
        "everyMonths": 1,
        "startsOn": "2026-01-15",
        "status": "active",
        "nextOn": "2026-02-15",
        "createdAt": row.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    assert (reply.status_code, reply.json()) == (201, expected)
    assert api.post(PATH, body, key="k").headers["Idempotent-Replayed"] == "true"
    refused(api.post(PATH, body | {"amount": 1}, key="k"), 409, "IdempotencyConflict")
    assert (api.get(f"{PATH}/{row.id}").json(), api.get(PATH).json()["items"]) == (expected, [expected])
    issue(clock, 2026, 2, 14, 23, 59)
    issue(clock, 2026, 2, 15)
    issue(clock, 2026, 2, 15)
    assert periods(row.id) == [("2026-01-15", "2026-02-14"), ("2026-02-15", "2026-03-14")]
    book.check()


def test_month_ends_are_counted_from_the_first_day(book, clock):
    recurring_grant_id = create_recurring_grant(book, starts_on=date(2026, 1, 31))
    issue(clock, 2026, 5, 1)
    assert periods(recurring_grant_id) == [
        ("2026-01-31", "2026-02-27"),
        ("2026-02-28", "2026-03-30"),
        ("2026-03-31", "2026-04-29"),
        ("2026-04-30", "2026-05-30"),
    ]


def test_a_leap_day_comes_back_in_leap_years(book, clock):
    recurring_grant_id = create_recurring_grant(book, starts_on=date(2028, 2, 29), every_months=12)
    issue(clock, 2032, 2, 29)
    assert [start for start, _ in periods(recurring_grant_id)] == ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


def test_three_missed_periods_are_each_issued_once_and_rolled_over_in_a_chain(book, clock):
    recurring_grant_id = create_recurring_grant(book, rollover_cap=Decimal(30))
    issue(clock, 2026, 5, 1)
    issue(clock, 2026, 5, 1)
    grants = list(Grant.objects.filter(recurring_grant_id=recurring_grant_id).order_by("period"))
    assert [book.entries(grant.id) for grant in grants] == [
        [("opening", "CREDIT", 100), ("expiry", "DEBIT", 100)],
        [("opening", "CREDIT", 100), ("rollover", "CREDIT", 30), ("expiry", "DEBIT", 130)],
        [("opening", "CREDIT", 100), ("rollover", "CREDIT", 30), ("expiry", "DEBIT", 130)],
        [("opening", "CREDIT", 100), ("rollover", "CREDIT", 30)],
    ]
    book.check()


@pytest.mark.parametrize("expiry_first", [True, False])
def test_what_rolls_over_is_the_same_whichever_job_comes_first(book, clock, expiry_first):
    recurring_grant_id = create_recurring_grant(book, rollover_cap=Decimal(30))
    grant = Grant.objects.get(recurring_grant_id=recurring_grant_id)
    book.debit(grant.id, 80)
    if expiry_first:
        clock.move_to(datetime(2026, 2, 15, tzinfo=UTC))
        call_command("expire_credits", verbosity=0)
    issue(clock, 2026, 2, 15)
    call_command("expire_credits", verbosity=0)
    assert book.entries(grant.id) == [("opening", "CREDIT", 100), ("debit", "DEBIT", 80), ("expiry", "DEBIT", 20)]
    assert book.entries(Grant.objects.get(period=1).id) == [("opening", "CREDIT", 100), ("rollover", "CREDIT", 20)]
    book.check()


def test_without_a_cap_nothing_rolls_over(book, clock):
    create_recurring_grant(book)
    issue(clock, 2026, 2, 15)
    assert book.entries(Grant.objects.get(period=1).id) == [("opening", "CREDIT", 100)]


def test_a_recurring_grant_ends_on_its_last_day_or_when_it_is_cancelled(api, book, clock):
    ending, cancelled = create_recurring_grant(book, ends_on=date(2026, 2, 15)), create_recurring_grant(book)
    assert api.delete(f"{PATH}/{cancelled}").json()["status"] == "cancelled"
    assert api.delete(f"{PATH}/{cancelled}").status_code == 200
    issue(clock, 2026, 6, 1)
    assert [start for start, _ in periods(ending)] == ["2026-01-15", "2026-02-15"]
    assert [start for start, _ in periods(cancelled)] == ["2026-01-15"]
    assert api.get(f"{PATH}/{ending}").json()["status"] == "ended"


def test_a_recurring_grant_that_starts_later_issues_nothing_before(api, book, clock):
    recurring_grant_id = create_recurring_grant(book, starts_on=date(2026, 3, 1))
    assert periods(recurring_grant_id) == []
    issue(clock, 2026, 3, 1)
    assert periods(recurring_grant_id) == [("2026-03-01", "2026-03-31")]


def test_invalid_recurring_grants_are_refused_and_those_of_another_account_are_not_found(api, book, clock, outsider):
    body = {"customerId": "acme", "name": "n", "creditUnitType": "CURRENCY", "currency": "USD", "amount": 1}
    for change, field, reason in (
        ({"creditUnitType": "METRIC"}, "metricId", "missing"),
        ({"everyMonths": 0}, "everyMonths", "too_small"),
        ({"startsOn": "2026-02-01", "endsOn": "2026-01-31"}, "endsOn", "before_starts_on"),
        ({"endsOn": "2026-01-14"}, "endsOn", "before_starts_on"),
        ({"rolloverCap": -1}, "rolloverCap", "negative"),
        ({"startsOn": "0001-01-01"}, "startsOn", "moment_out_of_range"),
        ({"startsOn": "2015-12-31"}, "startsOn", "too_long_ago"),
        ({"startsOn": "9999-12-31"}, "startsOn", "moment_out_of_range"),
        ({"startsOn": "2199-12-31"}, "startsOn", "too_far_ahead"),
        ({"amount": 0}, "amount", "not_positive"),
    ):
        [detail] = refused(api.post(PATH, body | change), 400, "InvalidRequest")
        assert (detail["field"], detail["reason"]) == (field, reason)
    assert not RecurringGrant.objects.exists()
    recurring_grant_id = create_recurring_grant(book)
    refused(outsider.get(f"{PATH}/{recurring_grant_id}"), 404, "NotFound")
    refused(outsider.delete(f"{PATH}/{recurring_grant_id}"), 404, "NotFound")
    assert outsider.get(PATH).json()["items"] == []


@pytest.mark.parametrize("cap", [Decimal(30), Decimal(90), Decimal(500)])
@pytest.mark.parametrize("order", list(permutations(["issue", "end the hold", "give back", "expire"])))
def test_what_rolls_over_is_the_same_whatever_comes_first_at_the_end_of_a_period(book, order, cap):
    """A grant of 100 has 60 on hold and 20 taken by an invoice. All of it is given back, before or after the next grant is issued."""
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC)) as clock:
        facts = {"customer_id": "acme", "name": "n", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(100)}
        services.create_recurring_grant(**book.context, **facts, rollover_cap=cap)
        acme = {"customer_id": "acme", "currency": "USD"}
        hold = services.place_hold(**book.context, **acme, amount=Decimal(60), expires_at=datetime(2026, 7, 1, tzinfo=UTC)).row.id
        services.consume(**book.context, **acme, amount=Decimal(20), invoice_id="i")
        clock.move_to(datetime(2026, 6, 1, 12, tzinfo=UTC))
        job = {"actor": "job:test", "request_id": ""}
        steps = {
            "issue": lambda: list(services.issue_due_grants(**job)),
            "end the hold": lambda: services.release_hold(**book.context, customer_id="acme", hold_id=hold),
            "give back": lambda: services.reinstate(**book.context, customer_id="acme", invoice_id="i"),
            "expire": lambda: list(services.expire_grants(**job)),
        }
        for step in order:
            steps[step]()
    may, june = Grant.objects.order_by("period")
    assert (may.balance, june.balance) == (0, 100 + min(cap, 100))
    book.check()
