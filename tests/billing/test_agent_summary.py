"""GET /v1/billing/agents/{agent_id}/summary: what an agent's entries came to."""

from unittest.mock import ANY

import pytest

from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db


def test_totals_by_currency_and_type_with_reversals_counted_in(send, record):
    record(type="usage", amount=10, agent_id="agent/7", reference_id="1")
    undone = record(type="usage", amount="2.5", agent_id="agent/7", reference_id="2")
    record(type="refund", amount=1, agent_id="agent/7", reference_id="3")
    record(type="usage", amount=4, agent_id="agent/7", reference_id="4", currency="EUR")
    record(type="usage", amount=99, agent_id="agent/8", reference_id="5")
    record(type="usage", amount=99, reference_id="6")
    send("POST", f"{TRANSACTIONS}/{undone['id']}/reverse")
    response = send("GET", "/v1/billing/agents/agent%2F7/summary")
    assert response.status_code == 200
    shared = {"first_at": ANY, "last_at": ANY}
    assert response.json() == {
        "agent_id": "agent/7",
        "currencies": [{"currency": "EUR", "entries": 1, "net": -4}, {"currency": "USD", "entries": 4, "net": -9}],
        "totals": [
            {"type": "usage", "entries": 1, "credits": 0, "debits": 4, "net": -4, "currency": "EUR"} | shared,
            {"type": "refund", "entries": 1, "credits": 1, "debits": 0, "net": 1, "currency": "USD"} | shared,
            {"type": "usage", "entries": 3, "credits": 2.5, "debits": 12.5, "net": -10, "currency": "USD"} | shared,
        ],
    }


def test_only_what_was_booked_in_the_period(send, record):
    first = record(type="usage", amount=1, agent_id="a", reference_id="1")
    second = record(type="usage", amount=2, agent_id="a", reference_id="2")
    query = f"created_from={first['created_at']}&created_to={second['created_at']}"
    assert send("GET", f"/v1/billing/agents/a/summary?{query}").json()["currencies"] == [{"currency": "USD", "entries": 1, "net": -1}]


def test_an_agent_of_another_tenant_is_like_one_that_never_was(send, record, outsider):
    record(type="usage", amount=1, agent_id="a")
    nothing = {"agent_id": "a", "currencies": [], "totals": []}
    assert send("GET", "/v1/billing/agents/a/summary", key=outsider).json() == nothing


def test_a_summary_is_one_query(send, record, django_assert_num_queries):
    for number in range(10):
        record(type=f"kind {number}", amount=1, agent_id="a")
    with django_assert_num_queries(1):
        assert len(send("GET", "/v1/billing/agents/a/summary").json()["totals"]) == 10
