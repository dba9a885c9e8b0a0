"""One line for each request, with what an operator needs and nothing that a thief could use."""

import json
import logging
import logging.config
import re
from uuid import UUID

import pytest
import structlog
from django.conf import settings

from config import middleware
from config.pages import readiness, views
from kernel.tenants import callers
from tests.factories import IssuedKeyFactory

SECRETS = {
    "Authorization": "Bearer ch_abc_TOPSECRET",
    "X-Api-Key": "ch_abc_TOPSECRET",
    "Cookie": "sessionid=TOPSECRET",
}


@pytest.fixture
def lines():
    """What production's log would hold: the JSON lines, parsed."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    keep = Keep()
    config = settings.LOGGING["formatters"]["json"]
    keep.setFormatter(config["()"](**{name: value for name, value in config.items() if name != "()"}))
    root = logging.getLogger()
    root.addHandler(keep)
    yield lambda: [json.loads(line) for line in written]
    root.removeHandler(keep)


def test_a_request_writes_one_line_that_says_what_was_asked_and_how_it_ended(client, lines):
    client.get("/nope", headers={"X-Request-ID": "trace-77"})
    (line,) = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line.pop("timestamp"))
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "countinghouse.request",
        "request_id": "trace-77",
        "method": "GET",
        "path": "/nope",
        "status": 404,
    }


def test_a_log_line_with_lone_surrogates_is_written(lines):
    structlog.get_logger("countinghouse.test").info("odd", text="half a \ud83d", thing=UUID(int=7), kind=object)
    (line,) = lines()
    assert line["text"].startswith("half a ")
    assert (line["event"], line["level"], line["logger"]) == ("odd", "info", "countinghouse.test")


def test_no_secret_of_a_request_reaches_the_log(client, lines):
    client.post("/nope?token=TOPSECRET", data="TOPSECRET", content_type="text/plain", headers=SECRETS)
    assert "TOPSECRET" not in json.dumps(lines())


def test_a_fault_is_logged_with_its_traceback_and_request_id_but_without_values(client, lines, monkeypatch):
    def breaks() -> dict[str, str]:
        password = "TOP" + "SECRET"
        return {"database": str(1 / len(password[:0]))}

    monkeypatch.setattr(readiness, "run_checks", breaks)
    client.raise_request_exception = False
    client.get("/readyz", headers={"X-Request-ID": "trace-78"})
    fault, line = lines()
    assert {fault["request_id"], line["request_id"]} == {"trace-78"}
    assert "ZeroDivisionError" in fault["exception"]
    assert (line["status"], line["level"]) == (500, "error")
    assert "TOPSECRET" not in json.dumps([fault, line])


def test_probes_and_assets_that_succeed_are_not_worth_a_line(client, lines):
    client.get("/livez")
    client.get("/static/countinghouse/pages.css")
    assert lines() == []


@pytest.mark.django_db
def test_staff_are_named_once_their_session_was_read(office, boss, lines):
    office.get("/admin/")
    assert lines()[-1]["staff"] == boss.pk


def test_a_request_with_a_key_names_the_tenant_and_the_key(rf, lines, db):
    issued = IssuedKeyFactory()

    def view(request):
        request.user = callers.caller_of_key(issued.token)
        return views.livez(request)

    middleware.RequestLogMiddleware(view)(rf.get("/v1/anything"))
    (line,) = lines()
    assert (line["tenant"], line["key"]) == (str(issued.key.tenant_id), str(issued.key.id))
    assert issued.secret not in json.dumps(line)


def test_the_reply_carries_the_request_id_that_was_offered(client):
    assert client.get("/livez", headers={"X-Request-ID": "0198c0de-0000-7000-8000-000000000001"})["X-Request-ID"] == (
        "0198c0de-0000-7000-8000-000000000001"
    )


@pytest.mark.parametrize("offered", ["", "a b", "x\ny", "<script>", "ünïcode", "a" * 129, "-leading", 'a"b', "a;b", "{x}", "\x00"])
def test_an_unsafe_request_id_is_replaced_by_a_new_one(rf, offered):
    request = rf.get("/", META={})
    request.META["HTTP_X_REQUEST_ID"] = offered
    response = middleware.RequestLogMiddleware(views.livez)(request)
    assert UUID(response["X-Request-ID"])
    assert request.request_id == response["X-Request-ID"] == request.META["HTTP_X_REQUEST_ID"]


@pytest.mark.parametrize("word", ["run", "undo", "correction"])
def test_a_caller_cannot_have_its_rows_taken_for_those_of_a_backfill_or_a_correction(rf, word):
    """An undo finds what it reverses by such an id."""
    request = rf.get("/", META={})
    request.META["HTTP_X_REQUEST_ID"] = f"{word}:0198c0de-0000-7000-8000-000000000001"
    middleware.RequestLogMiddleware(views.livez)(request)
    assert UUID(request.request_id)


def test_a_request_leaves_nothing_in_the_log_context_of_the_next(client):
    client.get("/livez", headers={"X-Request-ID": "trace-79"})
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.django_db
def test_pages_outside_the_admin_cost_no_session_and_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        for path in ("/", "/livez", "/docs/", "/schema/", "/nope"):
            response = client.get(path)
            assert response.cookies == {}
            assert "Cookie" not in response.get("Vary", "")


def test_every_reply_says_how_long_it_is(client):
    for path in ("/", "/livez", "/nope"):
        response = client.get(path)
        assert int(response["Content-Length"]) == len(response.content)
