"""When a window begins, ends and lets an entry go; what a counter holds as time passes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import connection

from metering.rules import services
from metering.rules.models import RuleCounter, RuleCounterEntry
from tests.rules.book import COUNT, RuleBook, cost, limit

pytestmark = pytest.mark.django_db
WINDOW = """
SELECT (rules_window(measure, moment)).tail_at, (rules_window(measure, moment)).ends_at
FROM (SELECT (NULL::rules_rulemeasure).*) AS nothing, LATERAL (
    SELECT jsonb_populate_record(NULL::rules_rulemeasure, jsonb_build_object(
        'interval_value', %s::int, 'interval_unit', %s::text, 'is_rolling', %s::boolean, 'time_zone', %s::text
    )) AS measure, %s::timestamptz AS moment
) AS stated
"""
LEAVES = WINDOW.replace(
    "(rules_window(measure, moment)).tail_at, (rules_window(measure, moment)).ends_at", "rules_entry_leaves_at(measure, moment)"
)


def ask(query, moment, value=1, unit="days", *, rolling=False, zone="UTC"):
    with connection.cursor() as cursor:
        cursor.execute(query, [value, unit, rolling, zone, moment])
        return [None if found is None else found.astimezone(UTC).isoformat().replace("+00:00", "Z") for found in cursor.fetchone()]


def calendar(moment, value=1, unit="days", zone="UTC"):
    """The window's first instant and its end."""
    tail, ends = ask(WINDOW, moment, value, unit, zone=zone)
    first = datetime.fromisoformat(tail) + timedelta(microseconds=1)
    return first.isoformat().replace("+00:00", "Z"), ends


@pytest.mark.parametrize(
    ("moment", "value", "unit", "zone", "window"),
    [
        ("2026-03-29T12:00Z", 1, "days", "Europe/Berlin", ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")),
        ("2026-10-25T12:00Z", 1, "days", "Europe/Berlin", ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")),
        # There is no midnight in Santiago on this day: the clocks go from 24:00 to 01:00.
        ("2026-09-06T12:00Z", 1, "days", "America/Santiago", ("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z")),
        ("2026-09-06T03:59:59Z", 1, "days", "America/Santiago", ("2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z")),
        # Havana has two midnights on this day: the first begins it.
        ("2026-11-01T12:00Z", 1, "days", "America/Havana", ("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z")),
        ("2026-11-29T12:00Z", 1, "weeks", "UTC", ("2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z")),
        ("2026-11-30T00:00Z", 1, "weeks", "UTC", ("2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z")),
        ("2026-02-28T23:30Z", 1, "months", "Europe/Berlin", ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z")),
        ("2026-12-31T12:00Z", 3, "months", "UTC", ("2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z")),
        ("1970-01-03T00:00Z", 2, "days", "UTC", ("1970-01-03T00:00:00Z", "1970-01-05T00:00:00Z")),
        ("2026-01-01T00:07:30Z", 15, "minutes", "Asia/Kathmandu", ("2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z")),
        ("2026-01-01T05:00Z", 6, "hours", "UTC", ("2026-01-01T00:00:00Z", "2026-01-01T06:00:00Z")),
    ],
)
def test_calendar_windows_begin_at_local_midnight_and_are_counted_from_1970(moment, value, unit, zone, window):
    assert calendar(moment, value, unit, zone) == window


@pytest.mark.parametrize(
    ("moment", "value", "unit", "zone", "tail"),
    [
        ("2026-03-29T12:00Z", 1, "days", "Europe/Berlin", "2026-03-28T12:00:00Z"),
        ("2026-03-30T12:00Z", 1, "months", "Europe/Berlin", "2026-02-28T22:59:59.999999Z"),
        ("2026-03-28T12:00Z", 1, "months", "Europe/Berlin", "2026-02-28T12:00:00Z"),
        # The same local time on both sides of a change of the clocks.
        ("2026-04-15T10:00Z", 1, "months", "Europe/Berlin", "2026-03-15T11:00:00Z"),
        ("2024-02-29T12:00Z", 12, "months", "UTC", "2023-02-28T23:59:59.999999Z"),
        ("2026-01-01T00:00:10Z", 10, "seconds", "UTC", "2026-01-01T00:00:00Z"),
        ("2026-01-08T00:00Z", 1, "weeks", "UTC", "2026-01-01T00:00:00Z"),
    ],
)
def test_rolling_windows_have_a_constant_length_but_for_months(moment, value, unit, zone, tail):
    assert ask(WINDOW, moment, value, unit, rolling=True, zone=zone) == [tail, None]


@pytest.mark.parametrize(
    ("at", "unit", "rolling", "leaves"),
    [
        ("2026-01-01T12:00Z", "days", True, "2026-01-02T12:00:00Z"),
        ("2026-01-31T12:00Z", "months", True, "2026-03-01T00:00:00Z"),
        ("2026-01-28T12:00Z", "months", True, "2026-02-28T12:00:00Z"),
        ("2026-01-31T12:00Z", "months", False, "2026-02-01T00:00:00Z"),
    ],
)
def test_an_entry_leaves_at_the_first_moment_at_which_it_is_out(at, unit, rolling, leaves):
    [found] = ask(LEAVES, at, 1, unit, rolling=rolling)
    assert found == leaves
    moment = datetime.fromisoformat(leaves)
    for instant, is_out in ((moment, True), (moment - timedelta(microseconds=1), False)):
        tail = datetime.fromisoformat(ask(WINDOW, instant, 1, unit, rolling=rolling)[0])
        assert (tail >= datetime.fromisoformat(at)) == is_out


def test_an_entry_exactly_one_interval_old_has_left():
    book = RuleBook()
    book.add_rule(limit(1, interval_value=10, interval_unit="seconds"))
    with time_machine.travel(datetime(2026, 12, 1, 12, tzinfo=UTC), tick=False):
        assert book.record(cost(1))["status"] == "authorized"
    entry = RuleCounterEntry.objects.get()
    for early, status in ((timedelta(milliseconds=2), "denied"), (timedelta(0), "authorized")):
        with time_machine.travel(entry.at + timedelta(seconds=10) - early, tick=False):
            assert book.record(cost(1))["status"] == status


def test_a_calendar_window_starts_afresh_and_late_costs_of_the_last_one_do_not_count():
    book = RuleBook()
    book.add_rule(limit(1, is_rolling=False))
    with time_machine.travel(datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC), tick=False):
        late = book.record(cost(1))
        assert book.record(cost(1))["status"] == "denied"
    with time_machine.travel(datetime(2026, 12, 2, tzinfo=UTC), tick=False):
        assert book.record(cost("0.4"))["status"] == "authorized"
        book.add_cost(late, 50)
        assert book.used() == {"[]": Decimal("0.4")}
        assert book.record(cost("0.6"))["status"] == "authorized"
        book.is_sound()


def test_a_clock_that_steps_back_widens_no_window():
    book = RuleBook()
    book.add_rule(limit(1, interval_value=1, interval_unit="hours"))
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False):
        assert book.record(cost(1))["status"] == "authorized"
    with time_machine.travel(noon - timedelta(hours=2), tick=False):
        assert book.record(cost(1))["status"] == "denied"
    with time_machine.travel(noon + timedelta(minutes=61), tick=False):
        assert book.record(cost(1))["status"] == "authorized"
    with time_machine.travel(noon + timedelta(minutes=30), tick=False):
        assert book.record(cost(1))["status"] == "denied"
    assert RuleCounter.objects.get().used == 1


def test_what_is_decided_after_a_clock_stepped_back_is_counted():
    book = RuleBook()
    book.add_rule(limit(2, interval_value=1, interval_unit="hours"))
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    for minutes in (0, 61):
        with time_machine.travel(noon + timedelta(minutes=minutes), tick=False):
            assert book.record(cost(1))["status"] == "authorized"
    with time_machine.travel(noon - timedelta(minutes=30), tick=False):
        assert [book.record(cost(1))["status"] for _ in range(2)] == ["authorized", "denied"]
    assert book.used() == {"[]": 2}


def test_cleaning_deletes_what_left_and_changes_no_sum():
    book = RuleBook()
    book.add_rule(limit(100, interval_value=1, interval_unit="hours", group_by=["service"]))
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    for minutes in (0, 30, 50):
        with time_machine.travel(noon + timedelta(minutes=minutes), tick=False):
            book.record(cost(1))
    with time_machine.travel(noon, tick=False):
        book.record(cost(5), service_name="idle")
    with time_machine.travel(noon + timedelta(minutes=80), tick=False):
        services.clean_counters(actor="test", tenant_id=book.tenant_id, per_page=1)
        assert book.used() == {'["openai"]': 2}
        assert RuleCounterEntry.objects.count() == 2
        book.is_sound()
        assert book.record(cost(98))["status"] == "authorized"
        assert book.record(cost(1), service_name="idle")["status"] == "authorized"
        book.is_sound()


def test_sums_that_no_rule_needs_are_kept_for_a_day():
    book = RuleBook()
    rule = book.add_rule(limit(10, interval_value=7))
    book.record(cost(4))
    book.change_rule(rule, status="paused", paused_at=rule.created_at)
    book.record(cost(3))
    services.clean_counters(actor="test", tenant_id=book.tenant_id)
    assert book.used() == {"[]": 7}
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=False):
        services.clean_counters(actor="test", tenant_id=book.tenant_id)
        assert (book.used(), book.has_rules()) == ({}, False)
        book.record(cost(2))
        book.change_rule(rule, status="active", paused_at=None)
        assert (book.used(), book.has_rules()) == ({"[]": 9}, True)
        book.is_sound()


def test_a_new_rule_counts_the_history_and_a_widened_one_too():
    book = RuleBook()
    book.record(cost(5), status="completed", outcome="success", occurred_at=datetime.now(UTC) - timedelta(hours=30))
    book.record(cost(2), cost(1, currency="EUR"))
    book.cancel(book.record(cost(3)))
    book.add_rule(limit(3), limit(2, **COUNT), limit(8, interval_value=2), limit(9, interval_value=2, group_by=["agent"]))
    assert sorted(counter.used for counter in RuleCounter.objects.all()) == [2, 2, 7, 7]
    assert book.record(cost(1))["status"] == "denied"
    book.is_sound()


def test_history_beyond_what_one_call_counts_is_left_to_the_job(monkeypatch):
    monkeypatch.setattr("metering.rules.services.counting.SEEDED_AT_ONCE", 3)
    book = RuleBook()
    for _ in range(5):
        book.record(cost(1))
    rule = book.add_rule(limit(6))
    rule.refresh_from_db()
    assert (rule.is_seeding, book.used()) == (True, {})
    book.record(cost(1))
    assert services.seed_measures(per_page=2) == 1
    rule.refresh_from_db()
    assert (rule.is_seeding, book.used()) == (False, {"[]": 6})
    assert book.record(cost(1))["status"] == "denied"
    book.is_sound()


def test_what_was_over_when_it_was_recorded_counts_by_when_it_happened():
    book = RuleBook()
    book.add_rule(limit(10))
    with time_machine.travel(datetime(2026, 12, 5, tzinfo=UTC), tick=False):
        over = {"status": "completed", "outcome": "success"}
        now = datetime(2026, 12, 5, tzinfo=UTC)
        book.record(cost(20), **over, occurred_at=now - timedelta(hours=3))
        book.record(cost(7), **over, occurred_at=now - timedelta(hours=25))
        assert book.used() == {"[]": 20}
        assert book.record(cost(1))["status"] == "denied"
        book.is_sound()
