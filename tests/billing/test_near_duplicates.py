"""The customer who is charged twice: accepted, for it may be right, and flagged, for it may be wrong."""

from datetime import timedelta

import pytest
from django.db import connection

from billing import services
from billing.models import Policy, Transaction

pytestmark = pytest.mark.django_db
FIRST = {"type": "charge", "amount": "9.99", "agent_id": "agent-7", "occurred_at": "2026-01-31T12:00:00Z"}


@pytest.fixture
def first(record):
    return record(**FIRST, reference_id="click 1")


def test_the_same_again_under_another_reference_is_accepted_and_flagged(record, first):
    second = record(**FIRST, reference_id="click 2")
    assert (first["flags"], first["near_duplicate_of"]) == ([], None)
    assert (second["flags"], second["near_duplicate_of"]) == (["near_duplicate"], first["id"])
    assert second["balance"] == -19.98


@pytest.mark.parametrize(
    ("other", "is_flagged"),
    [
        ({"occurred_at": "2026-01-31T12:01:00Z"}, True),
        ({"occurred_at": "2026-01-31T12:01:00.000001Z"}, False),
        ({"occurred_at": "2026-01-31T11:59:00Z"}, True),
        ({"occurred_at": "2026-01-31T11:58:59Z"}, False),
        ({"amount": "9.990000000000000000"}, True),
        ({"amount": "9.98"}, False),
        ({"agent_id": "agent-8"}, False),
        ({"agent_id": None}, False),
        ({"type": "fee"}, False),
        ({"currency": "EUR"}, False),
        ({"description": "another", "metadata": {"a": 1}}, True),
    ],
)
def test_what_counts_as_the_same(record, first, other, is_flagged):
    assert record(**FIRST | other, reference_id="click 2")["flags"] == (["near_duplicate"] if is_flagged else [])


def post_many(send, *items):
    results = send("POST", "/v1/billing/transactions/batch", {"transactions": list(items)}).json()["results"]
    return [result["transaction"] for result in results]


@pytest.mark.parametrize("form", ["alone", "in an array", "both in one array"])
@pytest.mark.parametrize(
    ("moment", "is_flagged"),
    [
        ("2026-01-31T12:01:00Z", True),
        ("2026-01-31T12:01:00.000001Z", False),
        ("2026-01-31T11:59:00Z", True),
        ("2026-01-31T11:58:59.999999Z", False),
    ],
)
def test_the_window_has_the_same_edges_alone_and_in_an_array(record, send, form, moment, is_flagged):
    one, other = FIRST | {"reference_id": "click 1"}, FIRST | {"reference_id": "click 2", "occurred_at": moment}
    if form == "both in one array":
        # The later one is flagged.
        first, second = sorted(post_many(send, one, other), key=lambda entry: entry["occurred_at"])
    else:
        first = record(**one)
        second = record(**other) if form == "alone" else post_many(send, other, {"type": "fee", "amount": 1, "reference_id": "fee"})[0]
    assert (first["flags"], first["near_duplicate_of"]) == ([], None)
    assert (second["flags"], second["near_duplicate_of"]) == ((["near_duplicate"], first["id"]) if is_flagged else ([], None))


@pytest.mark.parametrize("is_array", [False, True])
def test_the_newest_of_several_is_named_though_another_hour_began(record, send, is_array):
    record(**FIRST | {"occurred_at": "2026-01-31T12:59:50Z"}, reference_id="1")
    newest = record(**FIRST | {"occurred_at": "2026-01-31T13:00:05Z"}, reference_id="2")
    third = FIRST | {"occurred_at": "2026-01-31T13:00:10Z", "reference_id": "3"}
    entry = post_many(send, third, {"type": "fee", "amount": 1, "reference_id": "fee"})[0] if is_array else record(**third)
    assert entry["near_duplicate_of"] == newest["id"]


@pytest.mark.parametrize("is_array", [False, True])
def test_a_whole_reversal_repeats_nothing_and_nothing_repeats_it(record, first, send, is_array):
    body = {"reference_id": "back", "occurred_at": "2026-01-31T12:00:50Z"}
    reversal = send("POST", f"/v1/billing/transactions/{first['id']}/reverse", body).json()
    assert (reversal["amount"], reversal["flags"]) == (first["amount"], [])
    later = FIRST | {"occurred_at": "2026-01-31T12:01:40Z", "reference_id": "later"}
    entry = post_many(send, later, {"type": "fee", "amount": 1, "reference_id": "fee"})[0] if is_array else record(**later)
    assert entry["flags"] == []


def test_a_replay_and_a_reversal_are_no_duplicates(record, first, send):
    assert record(**FIRST, reference_id="click 1")["flags"] == []
    for part in ("1", "2"):
        body = {"amount": 1, "reference_id": part, "occurred_at": FIRST["occurred_at"]}
        assert send("POST", f"/v1/billing/transactions/{first['id']}/reverse", body).json()["flags"] == []


def test_a_batch_finds_them_among_its_own(send):
    items = [FIRST | {"reference_id": str(number)} for number in range(3)]
    results = send("POST", "/v1/billing/transactions/batch", {"transactions": items}).json()["results"]
    transactions = [result["transaction"] for result in results]
    assert [transaction["near_duplicate_of"] for transaction in transactions] == [None, transactions[0]["id"], transactions[1]["id"]]


def test_the_database_has_the_default_of_a_policy(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_near_duplicate_reach(NULL)")
        assert cursor.fetchone() == (timedelta(seconds=Policy().near_duplicate_seconds),)


def test_the_window_is_the_tenants_own(record, first, context):
    services.set_policy(**context, near_duplicate_seconds=3600)
    assert record(**FIRST | {"occurred_at": "2026-01-31T13:00:00Z"}, reference_id="later")["flags"] == ["near_duplicate"]
    services.set_policy(**context, near_duplicate_seconds=0)
    assert record(**FIRST, reference_id="at once")["flags"] == []


def test_another_tenants_are_not_looked_at(record, first, send, outsider):
    body = FIRST | {"reference_id": "click 2"}
    assert send("POST", "/v1/billing/transactions", body, key=outsider).json()["flags"] == []


def test_staff_see_them_in_a_list_of_their_own(record, first, admin_client):
    second = record(**FIRST, reference_id="click 2")
    page = admin_client.get("/admin/billing/transaction/?flag=any")
    assert page.status_code == 200
    assert [str(row.id) for row in page.context["cl"].result_list] == [second["id"]]
    assert Transaction.objects.count() == 2


def test_two_agents_whose_entries_share_a_bucket_are_two(record, first):
    """The bucket is 32 bits of a hash: among so many agents, two share it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(agent), max(agent) FROM (SELECT 'agent-' || number AS agent FROM generate_series(1, 300000) number) agents"
            " GROUP BY billing_duplicate_bucket(0, 'charge', 9.99, agent) HAVING count(*) > 1 LIMIT 1"
        )
        one, other = cursor.fetchone()
    record(**FIRST | {"agent_id": one}, reference_id="one")
    assert record(**FIRST | {"agent_id": other}, reference_id="other")["flags"] == []
