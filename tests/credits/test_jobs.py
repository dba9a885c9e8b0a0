"""The periodic jobs."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command
from procrastinate.contrib.django import app

from credits import jobs, services
from credits.models import CreditTransaction, Grant, Hold


@pytest.fixture
def january():
    with time_machine.travel(datetime(2026, 1, 15, tzinfo=UTC), tick=False) as clock:
        yield clock


def test_the_daily_job_expires_grants_past_their_last_day(book, january):
    book.grant(10, expiry_date=date(2026, 1, 31))
    assert jobs.expire_credits(timestamp=1) == 0
    january.move_to(datetime(2026, 2, 1, tzinfo=UTC))
    assert (jobs.expire_credits(timestamp=2), jobs.expire_credits(timestamp=3)) == (1, 0)
    row = CreditTransaction.objects.get(kind="expiry")
    assert (row.actor, row.request_id) == ("job:credits.expire_credits", "credits.expire_credits:2")


def test_the_hourly_job_issues_the_grants_that_are_due(book, january):
    facts = {"customer_id": "acme", "name": "n", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(1)}
    services.create_recurring_grant(**book.context, **facts)
    january.move_to(datetime(2026, 2, 15, tzinfo=UTC))
    assert (jobs.issue_recurring_credits(timestamp=1), jobs.issue_recurring_credits(timestamp=2)) == (1, 0)
    assert Grant.objects.get(period=1).actor == "job:credits.issue_recurring_credits"


def test_the_ten_minute_job_closes_overdue_holds(book, january):
    book.grant(10)
    expires_at = datetime(2026, 1, 15, 1, tzinfo=UTC)
    services.place_hold(**book.context, customer_id="acme", currency="USD", amount=Decimal(1), expires_at=expires_at)
    assert jobs.expire_holds(timestamp=1) == 0
    january.move_to(expires_at)
    assert (jobs.expire_holds(timestamp=2), jobs.expire_holds(timestamp=3)) == (1, 0)
    assert Hold.objects.get().status == "expired"
    book.check()


@pytest.mark.parametrize("name", [jobs.EXPIRE_CREDITS, jobs.EXPIRE_HOLDS, jobs.ISSUE_RECURRING_CREDITS])
def test_every_job_is_known_to_the_worker(name):
    assert app.tasks[name].queueing_lock == name


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["expire_credits", "expire_holds", "issue_recurring_credits"])
def test_a_command_draws_no_progress_bar_without_a_terminal(command, capfd):
    call_command(command)
    assert capfd.readouterr().err == ""
