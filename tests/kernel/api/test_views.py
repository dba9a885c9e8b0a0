"""The shell: who gets in, what is read, and every way of being refused, in the dialect's words."""

import base64
import gzip
import io
import json

import pytest
from django.test import RequestFactory

from kernel.api import body_limits
from kernel.api.problems import RequestRefused
from kernel.tenants import callers
from tests.factories import IssuedKeyFactory, TenantFactory
from tests.kernel.api.example_api import SALE

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kernel.api.example_api")]
SALE_BODY = b'{"totalAmount": 1.50, "saleKind": "usage"}'


@pytest.fixture
def key():
    callers.clear_key_cache()
    return IssuedKeyFactory()


@pytest.fixture
def send(client, key):
    """Sends a request with a good key; headers=None of a name takes that header away."""

    def send(method, path, body=b"", headers=None, content_type="application/json"):
        given = {"Authorization": f"Bearer {key.token}"} | (headers or {})
        given = {name: value for name, value in given.items() if value is not None}
        return client.generic(method, path, body, content_type=content_type, headers=given)

    return send


def _basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def status_code_and_facts(response):
    return response.status_code, response.json()["code"], response.json()["facts"]


def test_a_sale_is_recorded_and_answered(send):
    response = send("POST", "/v1/sales", SALE_BODY)
    assert response.status_code == 201
    assert response.content.decode() == f'{{"id":"{SALE}","totalAmount":1.5,"saleKind":"usage"}}'
    assert response["Content-Type"] == "application/json"
    assert response["Shop-Version"] == "1"
    assert "Idempotent-Replayed" not in response


def test_every_form_of_a_key_opens(send, key):
    for headers in (
        {"Authorization": f"bearer  {key.token}"},
        {"Authorization": None, "x-api-key": key.token},
        {"Authorization": _basic(key.basic)},
    ):
        assert send("GET", f"/v1/sales/{SALE}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Bearer ch_\x00_\x00"},
        {"Authorization": "Bearer é"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "Basic"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic /////w=="},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"a\x00:\x00").decode()},
        {"Authorization": "Digest x"},
        {"x-api-key": "é"},
        {"x-api-key": "\x00"},
    ],
)
def test_no_key_and_garbage_are_the_same_401(send, headers):
    response = send("POST", "/v1/sales", SALE_BODY, headers={"Authorization": None} | headers)
    assert status_code_and_facts(response) == (401, "not_authenticated", {})
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Shop-Version"] == "1"


def test_a_key_needs_the_scope_of_what_it_does(client):
    reader = IssuedKeyFactory(scopes=["billing:read", "credits:write"])
    headers = {"x-api-key": reader.token}
    assert client.get(f"/v1/sales/{SALE}", headers=headers).status_code == 200
    response = client.generic("POST", "/v1/sales", SALE_BODY, headers=headers)
    assert status_code_and_facts(response) == (403, "forbidden", {"scope": "billing:write"})


def test_a_call_that_acts_for_an_account_must_say_which(send, key):
    path = f"/v1/sales/{SALE}/nudge"
    assert status_code_and_facts(send("POST", path)) == (400, "missing_header", {"name": "On-Behalf-Of"})
    child, stranger = TenantFactory(parent=key.key.tenant), TenantFactory()
    assert send("POST", path, headers={"On-Behalf-Of": str(child.id)}).json()["tenant_id"] == str(child.id)
    for account in (str(stranger.id), "nonsense", "\x00"):
        assert status_code_and_facts(send("POST", path, headers={"On-Behalf-Of": account}))[:2] == (401, "not_authorized")


def test_an_unknown_version_is_refused_before_anything_else(send):
    response = send("POST", "/v1/sales", headers={"Authorization": None, "Shop-Version": "2"})
    assert status_code_and_facts(response) == (400, "unknown_version", {})


def test_a_method_that_does_not_exist_is_refused_with_those_that_do(send):
    response = send("PUT", "/v1/sales", SALE_BODY)
    assert status_code_and_facts(response)[:2] == (405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}
    assert send("TRACE", f"/v1/sales/{SALE}", headers={"Authorization": None}).status_code == 405


def test_options_returns_the_methods_without_a_key(send):
    response = send("OPTIONS", f"/v1/sales/{SALE}", headers={"Authorization": None})
    assert (response.status_code, response.content) == (204, b"")
    assert response["Allow"] == "GET, HEAD, OPTIONS"


def test_head_is_get_without_its_body(send):
    response = send("HEAD", f"/v1/sales/{SALE}")
    assert (response.status_code, response.content) == (200, b"")


def test_a_path_that_the_database_could_not_hold_names_nothing(send):
    assert status_code_and_facts(send("GET", "/v1/customers/%00")) == (404, "not_found", {})


def test_refusals_of_fields_and_services_go_through_the_dialect(send):
    invalid = send("POST", "/v1/sales", b'{"totalAmount": NaN, "saleKind": "\\ud800"}')
    assert invalid.status_code == 400
    assert invalid.json()["fields"] == [
        {"path": ["totalAmount"], "code": "not_finite", "value": None},
        {"path": ["saleKind"], "code": "unstorable_text", "value": "\ud800"},
    ]
    assert status_code_and_facts(send("POST", "/v1/sales", b'{"totalAmount": 1, "saleKind": "broke"}')) == (
        402,
        "insufficient",
        {"balance": "0"},
    )


def test_an_unexpected_exception_is_logged_and_gives_a_plain_500(send, caplog):
    response = send("POST", "/v1/sales", b'{"totalAmount": 1, "saleKind": "bug"}')
    assert status_code_and_facts(response) == (500, "internal", {})
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty_body"),
        (b"{", "malformed_json"),
        (b"[1]", "not_an_object"),
        (b"\xff", "unreadable_body"),
        (b"[" * 10_000, "unreadable_body"),
    ],
)
def test_bodies_that_are_no_body_are_refused(send, raw, code):
    assert status_code_and_facts(send("POST", "/v1/sales", raw))[:2] == (400, code)


def test_a_body_beyond_the_limit_is_refused(send, settings):
    settings.API_BODY_LIMIT = 100
    assert send("POST", "/v1/sales", SALE_BODY.ljust(100)).status_code == 201
    assert status_code_and_facts(send("POST", "/v1/sales", SALE_BODY.ljust(101))) == (413, "body_too_large", {"limit": 100})
    assert send("POST", "/v1/sales/batch", b'{"items": [' + SALE_BODY + b"]}".ljust(200)).status_code == 200


def test_a_chunked_body_is_read_and_bounded():
    def chunked(body):
        request = RequestFactory().generic("POST", "/", b"")
        request.META |= {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(body)}
        return body_limits.raw_body(request, limit=10)

    assert chunked(b"x" * 10) == b"x" * 10
    with pytest.raises(RequestRefused, match="body_too_large"):
        chunked(b"x" * 11)


def test_a_length_that_lies_lets_nothing_more_in():
    request = RequestFactory().generic("POST", "/", b"x" * 50)
    request.META["CONTENT_LENGTH"] = "5"
    with pytest.raises(RequestRefused, match="body_too_large"):
        body_limits.raw_body(request, limit=10)


def test_a_packed_body_is_unpacked_and_bounded(send, settings):
    headers = {"Content-Encoding": "gzip"}
    assert send("POST", "/v1/sales", gzip.compress(SALE_BODY), headers=headers).status_code == 201
    assert status_code_and_facts(send("POST", "/v1/sales", b"nonsense", headers=headers)) == (
        400,
        "unreadable_body",
        {"reason": "compression"},
    )
    assert status_code_and_facts(send("POST", "/v1/sales", gzip.compress(SALE_BODY)[:-4], headers=headers))[1] == "unreadable_body"
    settings.API_BODY_LIMIT = 1000
    assert send("POST", "/v1/sales", gzip.compress(b" " * 100_000), headers=headers).status_code == 413


def test_a_list_is_read_as_an_array_or_as_lines(send):
    assert send("POST", "/v1/sales/many", b"[" + SALE_BODY + b",1]").json() == {"taken": [True, False]}
    lines = SALE_BODY + b"\n{\n" + SALE_BODY
    assert send("POST", "/v1/sales/many", lines, content_type="application/x-ndjson").json() == {"taken": [True, False, True]}
    response = send("POST", "/v1/sales/many", b"{}\n" * 6, content_type="application/x-ndjson")
    assert response.json()["fields"] == [{"path": [], "code": "too_long", "value": None}]


@pytest.mark.parametrize("header", ["Idempotency-Key", "X-Idempotency-Key"])
def test_a_repeated_call_is_marked(send, header):
    assert send("POST", "/v1/sales", SALE_BODY, headers={header: "again"})["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("headers", "name", "code"),
    [
        ({"Idempotency-Key": ""}, "Idempotency-Key", "too_short"),
        ({"Idempotency-Key": "x" * 256}, "Idempotency-Key", "too_long"),
        ({"X-Idempotency-Key": "é"}, "X-Idempotency-Key", "bad_key"),
        ({"Idempotency-Key": "a\x00"}, "Idempotency-Key", "bad_key"),
        ({"Idempotency-Key": "a", "X-Idempotency-Key": "b"}, "X-Idempotency-Key", "bad_key"),
    ],
)
def test_a_key_that_could_not_be_kept_is_refused(send, headers, name, code):
    response = send("POST", "/v1/sales", SALE_BODY, headers=headers)
    assert (response.status_code, response.json()["place"]) == (400, "header")
    assert [(field["path"], field["code"]) for field in response.json()["fields"]] == [([name], code)]


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("application/geo+JSON;x=y", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("application/jsonx", False),
        ("text/json", False),
        ("", False),
    ],
)
def test_json_is_known_by_its_type(content_type, is_json):
    request = RequestFactory().generic("POST", "/", b"{}", content_type=content_type)
    assert body_limits.is_json(request) is is_json


def test_a_warm_request_costs_no_query(send, django_assert_num_queries):
    send("POST", "/v1/sales", SALE_BODY)
    with django_assert_num_queries(0):
        assert send("POST", "/v1/sales", SALE_BODY).status_code == 201


def test_pages_go_forward_and_back_again(send):
    slugs = [TenantFactory(slug=f"buyer-{number}", name=f"Name {number // 2}").slug for number in range(5)]
    pages, cursor = [], ""
    while cursor is not None:
        page = send("GET", f"/v1/sales?page%5Blimit%5D=2&page%5Bafter%5D={cursor}" if cursor else "/v1/sales?page%5Blimit%5D=2").json()
        pages.append(page)
        cursor = page["next"]
    # Equal names fall to the id, newest first.
    assert [item["slug"] for page in pages for item in page["items"]] == slugs[::-1]
    assert [page["previous"] is None for page in pages] == [True, False, False]
    back = send("GET", f"/v1/sales?page%5Blimit%5D=2&page%5Bbefore%5D={pages[2]['previous']}").json()
    assert back["items"] == pages[1]["items"]
    first = send("GET", f"/v1/sales?page%5Blimit%5D=2&page%5Bbefore%5D={back['previous']}").json()
    assert (first["items"], first["previous"]) == (pages[0]["items"], None)


def test_a_cursor_that_is_not_ours_is_refused(send, client):
    for number in range(3):
        TenantFactory(slug=f"buyer-{number}")
    cursor = send("GET", "/v1/sales?page%5Blimit%5D=1").json()["next"]
    outsider = IssuedKeyFactory()
    for wrong in (cursor[:-1], cursor + "x", "%00", "nonsense", "é", "x" * 2000):
        response = send("GET", f"/v1/sales?page%5Bafter%5D={wrong}")
        assert response.status_code == 400, wrong
        assert response.json()["fields"][0]["path"] == ["page[after]"]
        assert response.json()["place"] == "query"
    assert client.get(f"/v1/sales?page%5Bafter%5D={cursor}", headers={"x-api-key": outsider.token}).status_code == 400
    both = send("GET", f"/v1/sales?page%5Bafter%5D={cursor}&page%5Bbefore%5D={cursor}")
    assert json.loads(both.content)["fields"][0]["path"] == ["page[before]"]


def test_a_page_compares_its_key_as_one_row_value(send, django_assert_num_queries):
    for number in range(3):
        TenantFactory(slug=f"buyer-{number}")
    cursor = send("GET", "/v1/sales?page%5Blimit%5D=1").json()["next"]
    with django_assert_num_queries(1) as queries:
        send("GET", f"/v1/sales?page%5Blimit%5D=1&page%5Bafter%5D={cursor}")
    assert '("tenants_tenant"."name", "tenants_tenant"."id") < (' in queries.captured_queries[0]["sql"]
    assert "COUNT" not in queries.captured_queries[0]["sql"]
