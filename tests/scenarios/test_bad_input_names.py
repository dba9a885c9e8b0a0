"""Misspelt names, keys with invisible edges and moments outside of the calendar, at every call of every API."""

import json
import re
import uuid

import pytest
from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator

from tests.scenarios.three_calls import CALLS, CREDITS, fresh_body

pytestmark = pytest.mark.django_db
METHODS = ("get", "post", "put", "patch", "delete")
ZERO_WIDTH, MARK, NBSP = "\u200b", "\ufeff", "\u00a0"


def operations():
    """Every call of the three APIs: method, path with ids that exist nowhere, and its place in the OpenAPI document."""
    get_resolver()
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    for path, calls in paths.items():
        for method in METHODS:
            if method in calls:
                yield method.upper(), re.sub(r"\{[^}]+\}", lambda found: str(uuid.uuid4()), path), path


def names_and_hints(body):
    """What an error says of fields, in whatever dialect, as one text."""
    return json.dumps(body)


def test_every_call_refuses_an_unknown_parameter_in_its_own_words(send):
    calls = list(operations())
    assert len(calls) > 35
    for method, path, declared in calls:
        response = send(method, f"{path}?zzz=1")
        invalid = 422 if declared.startswith("/v1/billing") else 400
        assert response.status_code == invalid, (method, declared, response.content[:300])
        assert "zzz" in names_and_hints(response.json()), (method, declared)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/credit-transactions?customer_id=zzz", "customerId"),
        ("/v1/transactions?filter[state]=denied", "filter[status]"),
        ("/v1/transactions?filter[servcie]=x", "filter[service]"),
        ("/v1/transactions?filter[stauts]=x", "filter[status]"),
        ("/v1/transactions?page[size]=2", "page[limit]"),
        ("/v1/billing/transactions?flags=", None),
        ("/v1/billing/wallet?asof=2026-01-01", "as_of"),
        ("/credits?customerid=x", "customerId"),
    ],
)
def test_a_misspelt_filter_names_the_one_that_was_meant(send, path, nearest):
    response = send("GET", path)
    assert response.status_code in {400, 422}
    text = names_and_hints(response.json())
    assert ("did you mean" in text) == (nearest is not None), text
    assert nearest is None or f"did you mean {nearest}?" in text


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.ledger)
def test_an_unknown_field_of_a_published_create_is_refused_by_credits_and_named_by_the_others(call, send, grant_of, book):
    body = fresh_body(call, grant_id=grant_of()) | {"metaData": 1}
    before = book()
    response = send("POST", call.path, body)
    if call is CREDITS:
        assert response.status_code == 400
        [detail] = response.json()["error"]["details"]
        assert (detail["field"], detail["reason"]) == ("metaData", "unknown_name")
        assert book() == before
    else:
        assert (response.status_code, response["Ignored-Fields"]) == (call.status, "metaData")


@pytest.mark.parametrize(
    ("path", "body", "field", "nearest"),
    [
        ("/credit-transactions/{id}/reverse", {"reason": "x", "amont": "0.5"}, "amont", None),
        ("/credits/{id}/reinstate", {"invoiceID": "i"}, "invoiceID", "invoiceId"),
        ("/credits/{id}/consume", {"amount": "1", "currency": "USD", "date": "2026-01-01"}, "date", None),
        ("/v1/billing/transactions/{id}/reverse", {"reason_cod": "error"}, "reason_cod", "reason_code"),
        ("/v1/billing/transactions/batch", {"transactions": [], "atomc": True}, "atomc", "atomic"),
        ("/v1/transactions/{id}/cancel", {"reasn": "x"}, "reasn", "reason"),
        ("/v1/agents", {"label": "a", "nam": "b"}, "nam", "name"),
    ],
)
def test_an_unknown_field_of_a_call_of_ours_is_refused(send, path, body, field, nearest):
    response = send("POST", path.replace("{id}", str(uuid.uuid4())), body)
    assert response.status_code in {400, 422}, response.content
    text = names_and_hints(response.json())
    assert field in text
    if nearest:
        assert f"did you mean {nearest}?" in text


@pytest.mark.parametrize("edge", [ZERO_WIDTH, MARK, NBSP, " ", "\t"], ids=["zero width", "byte order mark", "no-break", "blank", "tab"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/billing/transactions", "reference_id"),
        ("/v1/billing/transactions", "type"),
        ("/v1/transactions", "agentName"),
        ("/v1/transactions", "traceExternalId"),
        ("/credit-transactions", "invoiceId"),
        ("/credits", "customerId"),
        ("/credit-schedules", "customerId"),
    ],
)
def test_a_key_with_an_invisible_edge_is_refused_and_nothing_is_written(send, book, path, field, edge):
    before = book()
    for value in (f"{edge}key", f"key{edge}"):
        response = send("POST", path, {field: value})
        assert response.status_code in {400, 422}
        assert f"U+{ord(edge):04X}" in names_and_hints(response.json())
    assert book() == before


def test_an_idempotency_key_with_a_blank_at_its_end_is_refused(send, grant_of, book):
    body = fresh_body(CREDITS, grant_id=grant_of())
    before = book()
    response = send("POST", CREDITS.path, body, headers={"Idempotency-Key": "key "})
    assert response.status_code == 400
    assert book() == before


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2200-01-01T00:00:00Z", "1899-12-31T23:59:59.999999Z"])
def test_a_moment_outside_of_the_range_is_refused_with_the_range(send, grant_of, book, moment):
    grant_of()
    before = book()
    bodies = {
        "/v1/billing/transactions": {"amount": 1, "type": "x", "reference_id": "1", "occurred_at": moment},
        f"/credits/{uuid.uuid4()}/holds": {"amount": "1", "currency": "USD", "expiresAt": moment},
    }
    for path, body in bodies.items():
        response = send("POST", path, body)
        assert response.status_code in {400, 422}
        assert "1900-01-01 to 2199-12-31" in names_and_hints(response.json())
    assert book() == before


def test_an_expiry_outside_of_the_range_says_how_to_have_none(send, key):
    response = send("POST", "/credits", {"expiryDate": "9999-12-31"})
    [detail] = [detail for detail in response.json()["error"]["details"] if detail["field"] == "expiryDate"]
    assert detail["message"] == "must be in the range 1900-01-01 to 2199-12-31; leave it out for never"
