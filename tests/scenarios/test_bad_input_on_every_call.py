"""Whatever is wrong with a request, it gets the error of that API's own dialect, and nothing is written."""

import json
import uuid

import pytest

from kernel.tenants import services as tenants
from tests.factories import IssuedKeyFactory
from tests.scenarios.three_calls import CALLS, CREDITS, fresh_body

pytestmark = pytest.mark.django_db
every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.ledger)

DEEP = b"[" * 100_000 + b"]" * 100_000
NOT_THE_BODY = {
    "nothing": b"",
    "half an object": b'{"amount": 1',
    "no JSON at all": b"amount=1&type=usage",
    "bad UTF-8": b'{"type": "\xff\xfe"}',
    "null": b"null",
    "an array": b"[1, 2]",
    "a text": b'"text"',
    "a number": b"12",
    "an empty object": b"{}",
    "too deep": DEEP,
    "an integer of 10,000 digits": b'{"amount": ' + b"9" * 10_000 + b"}",
    "two documents": b"{} {}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"type": "usage"}'.encode("utf-16"),
    "2 MB": b'{"type": "' + b"x" * 2_000_000 + b'"}',
    "2 MB of space": b" " * 2_000_000 + b"{}",
}
# A value that no field of these calls takes, written into each text or amount of a good body.
NOT_A_VALUE = {
    "NUL": '"a\\u0000b"',
    "a lone surrogate": '"\\ud800"',
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "a huge exponent": "1e400",
    "an object": '{"a": 1}',
    "an array": "[1]",
    "true": "true",
}
REQUIRED = {
    "billing": ("amount", "type", "reference_id"),
    "metering": ("serviceName", "agentName"),
    "credits": ("amount", "type", "grantId"),
}


def refused(call, response, *statuses):
    """Checks the refusal's status and shape, and that it is JSON without NaN or lone surrogates."""
    assert response.status_code in statuses, (response.status_code, response.content[:500])
    assert response.headers["Content-Type"] == "application/json"
    text = response.content.decode()
    body = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    text.encode()
    assert call.is_error(body, response.status_code), body
    if call is CREDITS:
        assert response.headers["Sequence-Version"]
    return body


@every_call
@pytest.mark.parametrize("name", NOT_THE_BODY)
def test_what_is_no_body_of_the_call_is_refused(call, name, send, book):
    before = book()
    statuses = {413} if name.startswith("2 MB") else {400, 422} if call.ledger == "billing" else {400}
    refused(call, send("POST", call.path, NOT_THE_BODY[name]), *statuses)
    assert book() == before


@every_call
@pytest.mark.parametrize("value", NOT_A_VALUE)
def test_a_value_that_no_field_takes_is_refused_at_each_field(call, value, send, grant_of, book):
    good = fresh_body(call, grant_id=grant_of())
    before = book()
    for name in REQUIRED[call.ledger]:
        raw = json.dumps(good | {name: "@@"}).replace('"@@"', NOT_A_VALUE[value]).encode()
        refused(call, send("POST", call.path, raw), call.invalid)
    assert book() == before


@every_call
def test_a_body_of_another_kind_is_refused(call, send, book):
    before = book()
    for content_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        response = send("POST", call.path, b"type=usage&amount=1", content_type=content_type)
        refused(call, response, call.invalid, 415)
    assert book() == before


@every_call
def test_a_call_without_a_good_key_is_refused(call, send, grant_of, book, key):
    body = fresh_body(call, grant_id=grant_of())
    before = book()
    wrong = {
        "no key": None,
        "a word": "nonsense",
        "no token": "Bearer",
        "a wrong secret": f"Bearer ch_{key.key.prefix}_{'0' * 64}",
        "bad base64": "Basic %%%",
        "base64 of no pair": "Basic aGVsbG8=",
        "a NUL": "Bearer a\x00b",
        "beyond ASCII": "Bearer ch_é_é",
    }
    for value in wrong.values():
        response = send("POST", call.path, body, headers={"Authorization": value})
        refused(call, response, 401)
    assert book() == before


@every_call
def test_a_revoked_key_is_refused(call, send, grant_of, book, key):
    body = fresh_body(call, grant_id=grant_of())
    assert send("POST", call.path, body).status_code == call.status
    tenants.revoke_api_key(prefix=key.key.prefix, actor="command:test")
    before = book()
    refused(call, send("POST", call.path, body), 401)
    assert book() == before


@every_call
def test_a_key_without_the_right_is_refused(call, send, grant_of, book, key):
    body = fresh_body(call, grant_id=grant_of())
    reader = IssuedKeyFactory(tenant=key.key.tenant, scopes=[f"{call.ledger}:read"])
    stranger = IssuedKeyFactory(tenant=key.key.tenant, scopes=["billing:write" if call.ledger != "billing" else "credits:write"])
    before = book()
    refused(call, send("POST", call.path, body, key=reader), 403)
    refused(call, send("POST", call.path, body, key=stranger), 403)
    assert book() == before


@every_call
def test_every_form_of_the_key_opens_the_call(call, send, grant_of, key):
    import base64

    body = fresh_body(call, grant_id=grant_of())
    basic = base64.b64encode(key.basic.encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {key.token}"},
        {"Authorization": None, "x-api-key": key.token},
        {"Authorization": f"Basic {basic}"},
    ):
        response = send("POST", call.path, body, headers=headers)
        assert response.status_code == call.status, response.content


@every_call
def test_paths_and_methods_that_do_not_exist_are_refused_in_the_apis_own_words(call, send, book):
    before = book()
    for path in (f"{call.path}/", f"{call.path}/x/y/z", f"{call.path}/%00"):
        refused(call, send("POST", path, b"{}"), 404, 405)
    for method in ("PUT", "PATCH", "DELETE"):
        response = send(method, call.path, b"{}")
        refused(call, response, 405)
        assert "POST" in response.headers["Allow"]
    assert book() == before


@every_call
def test_another_tenants_row_is_the_same_as_one_that_never_existed(call, send, grant_of, outsider):
    created = send("POST", call.path, fresh_body(call, grant_id=grant_of())).json()
    assert send("GET", f"{call.path}/{created['id']}").status_code == 200
    theirs = send("GET", f"{call.path}/{created['id']}", key=outsider)
    nobodys = send("GET", f"{call.path}/{uuid.uuid4()}", key=outsider)
    refused(call, theirs, 404)
    refused(call, nobodys, 404)
    unnamed = [response.content.replace(response.wsgi_request.path.rpartition("/")[2].encode(), b"") for response in (theirs, nobodys)]
    assert unnamed[0] == unnamed[1]


def test_another_tenants_grant_can_not_be_drawn_on_and_looks_unknown(send, grant_of, outsider, book):
    grant = grant_of()
    before = book()
    theirs = send("POST", CREDITS.path, CREDITS.body(grantId=grant), key=outsider)
    nobodys = send("POST", CREDITS.path, CREDITS.body(grantId=str(uuid.uuid4())), key=outsider)
    first, second = (refused(CREDITS, response, 400) for response in (theirs, nobodys))
    assert first["error"]["type"] == second["error"]["type"]
    assert book() == before


@every_call
def test_a_list_shows_what_was_recorded_and_nothing_of_another_tenant(call, send, grant_of, outsider):
    created = send("POST", call.path, fresh_body(call, grant_id=grant_of())).json()
    mine, theirs = send("GET", call.path).json(), send("GET", call.path, key=outsider).json()
    rows = mine.get("items", mine.get("data"))
    assert created["id"] in [row["id"] for row in rows]
    assert theirs.get("items", theirs.get("data")) == []
    for parameters in ("?limit=0", "?limit=x") if call.ledger != "metering" else ("?page%5Blimit%5D=0", "?page%5Blimit%5D=101"):
        refused(call, send("GET", call.path + parameters), call.invalid)


@every_call
def test_a_warm_call_is_one_statement(call, send, grant_of, django_assert_max_num_queries):
    grant = grant_of()
    send("POST", call.path, fresh_body(call, grant_id=grant))
    body = fresh_body(call, grant_id=grant)
    # Inside the test's own transaction a savepoint stands around the statement: two more that production doesn't have.
    with django_assert_max_num_queries(3):
        assert send("POST", call.path, body).status_code == call.status
