"""The ASGI entry answers every call as Django does through WSGI, whether on the loop or in a thread: the same calls are sent both ways."""

import base64
import gzip
import itertools
import json
import re
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest
from django.test import Client

from billing import services as billing
from config import asgi
from credits.models import CreditTransaction
from kernel.tenants import callers
from tests.asgi import Call
from tests.credits.book import Book
from tests.factories import IssuedKeyFactory, TenantFactory
from tests.scenarios.three_calls import PUBLISHED

PATHS = {"credits": "/credit-transactions", "billing": "/v1/billing/transactions", "metering": "/v1/transactions"}
LEDGERS = sorted(PATHS)
NOBODY = str(UUID(int=7))
ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(rb"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00))?")
# Of each request alone.
OWN_HEADERS = {"x-request-id", "date"}


class Ask(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpReply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class World:
    """A tenant of its own, and what it says to one ledger. Two of them say the same but for ids."""

    def __init__(self, ledger: str) -> None:
        self.ledger, self.path = ledger, PATHS[ledger]
        self.issued = IssuedKeyFactory()
        self.tenant = self.issued.key.tenant
        self.number = itertools.count()
        if ledger == "credits":
            self.grant_id = str(Book(self.tenant.id).grant(100))
        if ledger == "billing":
            billing.set_floor(tenant_id=self.tenant.id, actor="command:test", request_id="", currency="USD", floor=Decimal(0))

    def body(self, **facts: object) -> bytes:
        good = {
            "credits": lambda: {"grantId": self.grant_id, "type": "DEBIT", "amount": "10"},
            "billing": lambda: {"amount": 30.5, "type": "topup", "reference_id": f"order {next(self.number)}", "metadata": {"a": 1}},
            "metering": lambda: json.loads((PUBLISHED / "metering.json").read_bytes()),
        }
        return json.dumps(good[self.ledger]() | facts).encode()

    def post(self, body: bytes | None = None, *, path: str | None = None, headers: dict[str, str | None] | None = None) -> Ask:
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {self.issued.token}", "On-Behalf-Of": str(self.tenant.id)}
        given = {name: value for name, value in (given | (headers or {})).items() if value is not None}
        return Ask("POST", path or self.path, given, self.body() if body is None else body)

    def keyed(self, **facts: object) -> Ask:
        """A posting under a key that is always the same."""
        if self.ledger == "billing":
            return self.post(self.body(reference_id="the same", **facts))
        return self.post(self.body(**facts), headers={"Idempotency-Key": "the same"})

    def other(self) -> dict[str, object]:
        """Other facts than the usual ones."""
        return {"credits": {"amount": "11"}, "billing": {"amount": 31}, "metering": {"agentName": "eight"}}[self.ledger]

    def refused(self) -> bytes:
        """What the ledger refuses."""
        return self.body(
            **{
                "credits": {"amount": "1000"},
                "billing": {"type": "usage", "amount": 1000},
                "metering": {"agentId": NOBODY, "agentName": None},
            }[self.ledger]
        )

    def without_body(self, method: str, *, path: str | None = None) -> Ask:
        return self.post(b"", path=path)._replace(method=method)

    def basic(self) -> str:
        return "Basic " + base64.b64encode(self.issued.basic.encode()).decode()

    def reader(self) -> str:
        return "Bearer " + IssuedKeyFactory(tenant=self.tenant, scopes=[f"{self.ledger}:read"]).token


# What is said, and how each ledger answers: the statuses of credits, billing and metering.
CASES = {
    "posted": (lambda world: [world.post()], [201], [200], [201]),
    "posted with a key that is warm": (lambda world: [world.post(), world.post()], [201, 201], [200, 200], [201, 201]),
    "replayed": (lambda world: [world.keyed(), world.keyed()], [201, 201], [200, 200], [201, 201]),
    "in conflict": (lambda world: [world.keyed(), world.keyed(**world.other())], [201, 409], [200, 409], [201, 409]),
    "refused by the book": (lambda world: [world.post(world.refused())], [400], [402], [400]),
    "an invalid body": (lambda world: [world.post(world.body(amount=[], serviceName=7))], [400], [422], [400]),
    "half a body": (lambda world: [world.post(b'{"amount": "1')], [400], [422], [400]),
    "no body": (lambda world: [world.post(b"")], [400], [422], [400]),
    "a body that isn't UTF-8": (lambda world: [world.post(b'{"amount": "\xff"}')], [400], [400], [400]),
    "said to be text": (lambda world: [world.post(headers={"Content-Type": "text/plain"})], [201], [422], [201]),
    "packed": (lambda world: [world.post(gzip.compress(world.body()), headers={"Content-Encoding": "gzip"})], [201], [200], [201]),
    "packed badly": (lambda world: [world.post(b"not gzip", headers={"Content-Encoding": "gzip"})], [400], [400], [400]),
    "a bad idempotency key": (lambda world: [world.post(headers={"Idempotency-Key": "a\xe9"})], [400], [200], [400]),
    "no key": (lambda world: [world.post(headers={"Authorization": None})], [401], [401], [401]),
    "a wrong key": (lambda world: [world.post(headers={"Authorization": "Bearer ch_0_0"})], [401], [401], [401]),
    "a key of another form": (lambda world: [world.post(headers={"Authorization": world.basic()})], [201], [200], [201]),
    "a key that may only read": (lambda world: [world.post(headers={"Authorization": world.reader()})], [403], [403], [403]),
    "on behalf of a child": (
        lambda world: [world.post(headers={"On-Behalf-Of": str(TenantFactory(parent=world.tenant).id)})],
        [400],
        [200],
        [201],
    ),
    "on behalf of nobody": (lambda world: [world.post(headers={"On-Behalf-Of": NOBODY})], [401], [401], [401]),
    "on behalf of none": (lambda world: [world.post(headers={"On-Behalf-Of": None})], [400], [200], [201]),
    "an unknown path": (lambda world: [world.post(path=f"{world.path}/no/where")], [404], [404], [404]),
    "GET": (lambda world: [world.post(), world.without_body("GET")], [201, 200], [200, 200], [201, 200]),
    "GET what isn't there": (lambda world: [world.without_body("GET", path=f"{world.path}/{NOBODY}")], [404], [404], [404]),
    "HEAD": (lambda world: [world.post(), world.without_body("HEAD")], [201, 200], [200, 200], [201, 200]),
    "PUT": (lambda world: [world.without_body("PUT")], [405], [405], [405]),
    "OPTIONS": (lambda world: [world.without_body("OPTIONS")], [204], [204], [204]),
}


def through_wsgi(ask: Ask) -> HttpReply:
    headers = {name: value for name, value in ask.headers.items() if name != "Content-Type"}
    reply = Client(raise_request_exception=False).generic(
        ask.method, ask.path, ask.body, content_type=ask.headers["Content-Type"], headers=headers
    )
    return HttpReply(reply.status_code, {name.lower(): value for name, value in reply.items()}, reply.content)


def call_of(ask: Ask) -> Call:
    length = {"Content-Length": str(len(ask.body))} if ask.body or ask.method == "POST" else {}
    return Call(ask.method, ask.path, headers=(ask.headers | length).items(), pieces=[ask.body])


def through_asgi(served, ask: Ask) -> HttpReply:
    call = served.answer(call_of(ask))
    assert call.is_complete
    headers = {name.decode(): value.decode("latin-1") for name, value in call.headers}
    assert len(headers) == len(call.headers)
    return HttpReply(call.status, headers, call.body)


def masked(reply: HttpReply) -> HttpReply:
    headers = {name: value for name, value in reply.headers.items() if name not in OWN_HEADERS}
    return reply._replace(headers=headers, body=TIME.sub(b"a time", ID.sub(b"an id", reply.body)))


@pytest.mark.parametrize("is_batching", [True, False], ids=["batching", "one by one"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ledger", LEDGERS)
def test_a_call_is_answered_as_through_wsgi(served, settings, caplog, ledger, case, is_batching):
    settings.LEDGER_BATCHING = is_batching
    says, *statuses = CASES[case]
    expected = [through_wsgi(ask) for ask in says(World(ledger))]
    callers.clear_key_cache()
    replies = [through_asgi(served, ask) for ask in says(World(ledger))]
    assert [masked(reply) for reply in replies] == [masked(reply) for reply in expected]
    assert [reply.status for reply in replies] == dict(zip(PATHS, statuses, strict=True))[ledger]
    assert all(UUID(reply.headers["x-request-id"]) for reply in replies)
    assert [record for record in caplog.records if record.levelname not in {"INFO", "DEBUG"}] == []


@pytest.fixture
def statements(monkeypatch):
    """What any cursor of this process is given to execute, on the loop or in a thread."""
    given = []
    for cursor in (psycopg.Cursor, psycopg.AsyncCursor):
        monkeypatch.setattr(cursor, "execute", noting(cursor.execute, given))
    return given


def noting(execute, given):
    def noted(self, query, *arguments, **options):
        given.append(query)
        return execute(self, query, *arguments, **options)

    return noted


@pytest.mark.parametrize("is_batching", [True, False], ids=["batching", "one by one"])
@pytest.mark.parametrize("ledger", LEDGERS)
def test_a_post_with_a_cached_key_is_one_statement_and_no_thread(served, settings, monkeypatch, statements, ledger, is_batching):
    settings.LEDGER_BATCHING, settings.API_KEY_CACHE_SECONDS = is_batching, 3600
    world = World(ledger)
    del statements[:]
    through_asgi(served, world.post())
    assert len(statements) > 1
    del statements[:]
    monkeypatch.setattr(asgi, "_threads", None)
    reply = through_asgi(served, world.post())
    assert reply.status in {200, 201}
    assert len(statements) == 1
    assert f"{ledger}_post" in statements[0]


def test_concurrent_calls_are_sent_together_and_each_gets_its_own_reply(served, settings, statements):
    settings.API_KEY_CACHE_SECONDS = 3600
    world = World("credits")
    through_asgi(served, world.post())
    del statements[:]
    calls = [call_of(world.post(world.body(amount=f"0.{number:02}"))) for number in range(1, 41)]
    served.answer_all(*calls)
    assert {call.status for call in calls} == {201}
    assert [json.loads(call.body)["amount"] for call in calls] == [f"0.{number:02}".rstrip("0") for number in range(1, 41)]
    assert len(statements) < len(calls)
    assert CreditTransaction.objects.count() == 42
    Book(world.tenant.id).check()


def test_a_fault_is_answered_in_the_ledgers_dialect_and_logged(served, monkeypatch, caplog):
    from credits.api.views import transactions

    monkeypatch.setattr(transactions.services, "record_transaction", lambda **facts: 1 / 0)
    reply = through_asgi(served, World("credits").post())
    assert (reply.status, json.loads(reply.body)["error"]["type"]) == (500, "InternalServerError")
    assert "request_failed" in caplog.text
