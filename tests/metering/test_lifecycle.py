"""Completing, cancelling, deciding; costs and facts on the way."""

from datetime import UTC, datetime
from itertools import product

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from metering import services
from metering.choices import MOVES, Status
from metering.errors import WrongStatus
from metering.models import Cost, Fact, StatusChange, Transaction

URL = "/v1/transactions"
AHEAD = datetime(2190, 1, 1, tzinfo=UTC)
ESTIMATE = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}


def error(message, status=400, word="Bad Request"):
    return {"message": message, "error": word, "statusCode": status}


def test_complete_answers_flat_and_enveloped(caller):
    created = caller.create(costs=[ESTIMATE])
    reply = caller.post(f"{URL}/{created['id']}/complete", {"outcome": "success"})
    body = reply.json()
    moment = body["completedAt"]
    done = created | {"status": "completed", "outcome": "success", "completedAt": moment, "updatedAt": moment}
    assert (reply.status_code, body) == (200, done | {"transaction": done})
    assert caller.read(created["id"]) == done


def test_complete_with_response_facts_that_have_no_price(caller):
    created = caller.create(resourceName="/v1/things")
    facts = {"source": "http-client", "version": "v1", "facts": {"status": 200, "headers": {}, "durationMs": 12}}
    body = caller.post(f"{URL}/{created['id']}/complete", {"outcome": "error", "responseFacts": facts}).json()
    fact = Fact.objects.get()
    assert (fact.phase, fact.pricing, fact.pricing_note) == ("error", "unknown_model", "/v1/things")
    assert body["factId"] == str(fact.id)
    assert "costId" not in body
    assert body["pricing"] == {"status": "unknown_model", "note": "/v1/things", "read": [], "ignored": []}
    assert body["outcome"] == "error"


def test_a_second_complete_gets_the_status(caller):
    transaction_id = caller.create()["id"]
    assert caller.post(f"{URL}/{transaction_id}/complete", {"outcome": "success"}).status_code == 200
    reply = caller.post(f"{URL}/{transaction_id}/complete", {"outcome": "success"})
    message = f"Transaction {transaction_id} must be in authorized status to complete. Current status: completed"
    assert (reply.status_code, reply.json()) == (400, error(message))


def test_a_change_is_never_dated_before_the_one_before_it(caller):
    """As after a step back of the database's clock."""
    transaction_id = caller.create(costs=[ESTIMATE])["id"]
    Transaction.objects.filter(id=transaction_id).update(updated_at=AHEAD)
    body = caller.post(f"{URL}/{transaction_id}/cancel", {"reason": "r"}).json()
    assert (body["status"], body["updatedAt"]) == ("cancelled", "2190-01-01T00:00:00.000Z")
    assert StatusChange.objects.get(transaction_id=transaction_id, to_status="cancelled").created_at == AHEAD
    assert {cost.superseded_at or cost.created_at for cost in Cost.objects.filter(transaction_id=transaction_id)} == {AHEAD}


def test_a_repeated_complete_with_its_key_is_a_replay(caller):
    transaction_id = caller.create()["id"]
    facts = {"source": "s", "version": "1", "facts": {"inputTokens": 1000, "outputTokens": 500, "model": "gpt-4"}}
    first = caller.post(f"{URL}/{transaction_id}/complete", {"outcome": "success", "responseFacts": facts}, **{"Idempotency-Key": "c"})
    again = caller.post(f"{URL}/{transaction_id}/complete", {"outcome": "success", "responseFacts": facts}, **{"Idempotency-Key": "c"})
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    other = caller.post(f"{URL}/{transaction_id}/complete", {"outcome": "error"}, **{"Idempotency-Key": "c"})
    assert other.status_code == 409
    assert "(outcome, source, version, phase, facts)" in other.json()["message"]
    assert Fact.objects.count() == Cost.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"outcome": "maybe"}, {"outcome": None}, {"outcome": "success", "responseFacts": {}}])
def test_complete_refuses_what_it_does_not_know(caller, body):
    transaction_id = caller.create()["id"]
    assert caller.post(f"{URL}/{transaction_id}/complete", body).status_code == 400
    assert caller.get(f"{URL}/{transaction_id}").json()["status"] == "authorized"


def test_cancel_ends_what_is_not_over(caller):
    transaction_id = caller.create(costs=[ESTIMATE])["id"]
    reply = caller.post(f"{URL}/{transaction_id}/cancel", {"reason": "changed our mind"})
    assert (reply.status_code, reply.json()["status"]) == (200, "cancelled")
    assert reply.json()["cancelledAt"] == reply.json()["updatedAt"]
    message = f"Transaction {transaction_id} must be in pending, preparing or authorized status to cancel. Current status: cancelled"
    again = caller.post(f"{URL}/{transaction_id}/cancel")
    assert (again.status_code, again.json()) == (400, error(message))
    message = f"Transaction {transaction_id} takes no costs or facts any more. Current status: cancelled"
    for path, body in (("costs", ESTIMATE), ("facts", {"source": "s", "version": "1", "factPhase": "response", "facts": {}})):
        reply = caller.post(f"{URL}/{transaction_id}/{path}", body)
        assert (reply.status_code, reply.json()) == (400, error(message))
    history = caller.get(f"{URL}/{transaction_id}/history").json()["history"]
    actor = f"api_key:{caller.issued.key.id}"
    assert [(step["fromStatus"], step["toStatus"], step["reason"], step["actor"]) for step in history] == [
        (None, "authorized", "", actor),
        ("authorized", "cancelled", "changed our mind", actor),
    ]


def test_a_tenant_that_decides_later_walks_the_whole_way(caller):
    context = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    services.set_policy(**context, authorizes_at_once=False)
    body = caller.create()
    assert (body["status"], body["authorizedAt"]) == ("pending", None)
    target = context | {"transaction_id": body["id"]}
    reply = caller.post(f"{URL}/{body['id']}/complete", {"outcome": "success"})
    assert reply.json()["message"].endswith("must be in authorized status to complete. Current status: pending")
    with pytest.raises(WrongStatus):
        services.authorize_transaction(**target)
    services.prepare_transaction(**target)
    services.authorize_transaction(**target, reason="within budget")
    assert caller.post(f"{URL}/{body['id']}/complete", {"outcome": "success"}).status_code == 200
    done = caller.get(f"{URL}/{body['id']}").json()
    assert done["preparingAt"] <= done["authorizedAt"] <= done["completedAt"]
    assert [step["toStatus"] for step in caller.get(f"{URL}/{body['id']}/history").json()["history"]] == [
        "pending",
        "preparing",
        "authorized",
        "completed",
    ]
    denied = caller.create()["id"]
    services.prepare_transaction(**(context | {"transaction_id": denied}))
    services.deny_transaction(**(context | {"transaction_id": denied}), reason="over budget")
    body = caller.get(f"{URL}/{denied}").json()
    assert (body["status"], body["declineReason"]) == ("denied", "over budget")
    assert body["deniedAt"] == body["updatedAt"]


@pytest.mark.django_db(transaction=True)
def test_the_database_itself_knows_the_state_machine(caller):
    transaction_id = caller.create()["id"]
    for column, value in (("status", "'pending'"), ("action_name", "'other'"), ("metadata", "'{}'")):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE metering_transaction SET {column} = {value} WHERE id = %s", [transaction_id])
    for table in ("metering_transaction", "metering_cost", "metering_statuschange", "metering_fact", "metering_trace"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table} CASCADE")
    assert Transaction.objects.get().status == "authorized"
    assert StatusChange.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ("status = 'completed', completed_at = now()", "completed"),
        ("status = 'completed', outcome = 'success'", "completed"),
        ("status = 'completed', outcome = 'other', completed_at = now()", "completed"),
        ("outcome = 'success'", "completed"),
        ("completed_at = now()", "completed"),
        ("status = 'cancelled'", "cancelled"),
        ("cancelled_at = now()", "cancelled"),
        ("denied_at = now()", "denied"),
        ("decline_reason = 'why'", "denied"),
        ("authorized_at = NULL", "authorized"),
    ],
)
def test_the_database_itself_knows_what_belongs_to_a_status(caller, changes, check):
    transaction_id = caller.create()["id"]
    with pytest.raises(IntegrityError, match=f"metering_transaction_{check}_check"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE metering_transaction SET {changes} WHERE id = %s", [transaction_id])


def test_a_superseded_cost_never_changes_again(caller):
    created = caller.create(costs=[ESTIMATE])
    first = created["costs"][0]["id"]
    caller.post(f"{URL}/{created['id']}/costs", ESTIMATE | {"supersedesCostId": first})
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE metering_cost SET is_active = true, superseded_at = NULL WHERE id = %s", [first])
    assert not Cost.objects.get(id=first).is_active


def test_a_cost_supersedes_and_nothing_is_lost(caller):
    created = caller.create(costs=[ESTIMATE])
    first = created["costs"][0]
    body = {
        "fiatAmount": "0.25",
        "fiatAssetSymbol": "USD",
        "isEstimate": False,
        "supersedesCostId": first["id"],
        "costDetails": {"outputTokens": 5000},
    }
    reply = caller.post(f"{URL}/{created['id']}/costs", body)
    cost = reply.json()
    moment = cost["createdAt"]
    expected = first | {
        "id": cost["id"],
        "fiatAmount": "0.250000000000000000",
        "isEstimate": False,
        "supersedesCostId": first["id"],
        "costDetails": {"outputTokens": 5000},
        "occurredAt": moment,
        "createdAt": moment,
        "updatedAt": moment,
    }
    assert (reply.status_code, cost) == (201, expected)
    old = first | {"isActive": False, "supersededAt": moment, "updatedAt": moment}
    assert caller.get(f"{URL}/{created['id']}/costs").json() == {"costs": [old, cost], "totalActiveCostUsd": "0.250000000000000000"}
    assert caller.get(f"{URL}/{created['id']}").json()["costs"] == [old, cost]


def test_what_cannot_be_superseded(caller):
    created, another = caller.create(costs=[ESTIMATE]), caller.create(costs=[ESTIMATE])
    first, theirs = created["costs"][0]["id"], another["costs"][0]["id"]
    unknown = "123e4567-e89b-12d3-a456-426614174000"
    url = f"{URL}/{created['id']}/costs"
    assert caller.post(url, ESTIMATE | {"supersedesCostId": first}).status_code == 201
    for cost, status, message in (
        (first, 409, f"Cost {first} has already been superseded"),
        (theirs, 400, f"Cost {theirs} belongs to another transaction"),
        (unknown, 404, f"Cost {unknown} not found"),
    ):
        reply = caller.post(url, ESTIMATE | {"supersedesCostId": cost})
        assert (reply.status_code, reply.json()["message"]) == (status, message)
    assert Cost.objects.count() == 3


def test_the_total_counts_active_dollars_estimates_included(caller):
    costs = [ESTIMATE, ESTIMATE | {"isEstimate": False, "fiatAmount": "1.000000000000000001"}, ESTIMATE | {"fiatAssetSymbol": "EUR"}]
    created, bare = caller.create(costs=costs), caller.create()
    assert caller.get(f"{URL}/{created['id']}/costs").json()["totalActiveCostUsd"] == "1.050000000000000001"
    assert caller.get(f"{URL}/{bare['id']}/costs").json() == {"costs": [], "totalActiveCostUsd": "0.000000000000000000"}


def test_costs_and_facts_may_come_after_the_end(caller):
    transaction_id = caller.create()["id"]
    caller.post(f"{URL}/{transaction_id}/complete", {"outcome": "success"})
    assert caller.post(f"{URL}/{transaction_id}/costs", ESTIMATE).status_code == 201
    facts = {"source": "s", "version": "1", "factPhase": "response", "facts": {"inputTokens": 10, "outputTokens": 5}}
    assert caller.post(f"{URL}/{transaction_id}/facts", facts).status_code == 201


def test_a_cost_sent_twice_with_one_key_is_one_cost(caller):
    transaction_id, other = caller.create()["id"], caller.create()["id"]
    first = caller.post(f"{URL}/{transaction_id}/costs", ESTIMATE, **{"X-Idempotency-Key": "k"})
    again = caller.post(f"{URL}/{transaction_id}/costs", ESTIMATE, **{"X-Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert caller.post(f"{URL}/{other}/costs", ESTIMATE, **{"X-Idempotency-Key": "k"}).status_code == 409
    assert Cost.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_chain_of_a_thousand_supersessions_stays_right(caller):
    created = caller.create(costs=[ESTIMATE])
    url, last = f"{URL}/{created['id']}/costs", created["costs"][0]["id"]
    for number in range(1000):
        last = caller.post(url, ESTIMATE | {"fiatAmount": str(number), "supersedesCostId": last}).json()["id"]
    with CaptureQueriesContext(connection) as queries:
        body = caller.get(url).json()
    assert len(queries) == 1
    assert len(body["costs"]) == 1001
    assert [cost["id"] for cost in body["costs"] if cost["isActive"]] == [last]
    assert body["totalActiveCostUsd"] == "999.000000000000000000"


def test_reading_one_takes_three_queries_and_a_page_two(caller):
    for number in range(12):
        created = caller.create(costs=[ESTIMATE] * (number % 4), agentName=f"a{number}")
    with CaptureQueriesContext(connection) as queries:
        caller.get(f"{URL}/{created['id']}")
    assert len(queries) == 3
    for limit in (1, 12):
        with CaptureQueriesContext(connection) as queries:
            assert len(caller.get(URL, **{"page[limit]": limit}).json()["data"]) == limit
        assert len(queries) == 2


@pytest.mark.django_db
def test_the_moves_of_the_service_are_those_of_the_database():
    with connection.cursor() as cursor:
        for later, earlier in product(Status, Status):
            cursor.execute("SELECT metering_may_move(%s, %s)", [earlier.value, later.value])
            assert cursor.fetchone()[0] == (earlier in MOVES.get(later, ())), (earlier, later)
