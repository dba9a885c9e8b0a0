"""The 422s, held against a real FastAPI application with the published schema: the same status, places and types, body for body.

Where the contract decides otherwise on purpose, `OURS` says so, rule by rule; nothing else may differ.
"""

import json
import random
import re
import uuid
from decimal import Decimal, InvalidOperation

import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel

from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
FIELDS = ("amount", "type", "reference_id", "agent_id", "description")
DIRECTED = {"topup", "usage", "fee"}


class TransactionRequest(BaseModel):
    amount: float
    type: str
    reference_id: str
    agent_id: str | None = None
    description: str | None = None


app = FastAPI()


@app.post(TRANSACTIONS)
def record_transaction(body: TransactionRequest) -> dict:
    return {}


# The same application with a plainer error body: its own can't be written where it echoes NaN or a lone surrogate.
plain_app = FastAPI()
plain_app.post(TRANSACTIONS)(record_transaction)


@plain_app.exception_handler(RequestValidationError)
def write_types_and_places(request, error):
    return JSONResponse({"detail": [{"type": one["type"], "loc": one["loc"]} for one in error.errors()]}, status_code=422)


class Raw(str):
    """JSON as it stands, for what Python's own writer can't write."""


def encoded(members):
    return ("{" + ", ".join(f"{json.dumps(name)}: {written(value)}" for name, value in members.items()) + "}").encode()


def written(value):
    return str(value) if isinstance(value, Raw) else json.dumps(value)


ANYTHING = [None, True, False, 0, 7, 1.5, [], ["x"], {}, {"x": 1}]
AMOUNTS = [
    *ANYTHING,
    "abc",
    "",
    " ",
    "12",
    " 12 ",
    "+1",
    "-0",
    "1.",
    ".5",
    "1e2",
    "1E-2",
    "1,5",
    "0x10",
    "1_000",
    "1__0",
    "nan",
    "NaN",
    "inf",
    "-Infinity",
    "１２",
    "1\n",
    "\t1",
    "1 2",
    "--1",
    "e5",
    ".",
    "true",
    -1,
    Raw("1e3"),
    Raw("1E400"),
    Raw("-1e-400"),
    Raw("NaN"),
    Raw("Infinity"),
    Raw("-Infinity"),
    Raw("-0.0"),
    Raw("123456789012345678901"),
    Raw("0.1234567890123456789"),
    Raw("0.1000000000000000000000"),
    "123456789012345678901",
    "0.1234567890123456789",
    Raw("999999999999999999.999999999999999999"),
]
TEXTS = [*ANYTHING, "", "x", " ", "ü", "x" * 128, "x" * 129, "x" * 500, "x" * 501, "a\tb", Raw(r'"\u0000"'), Raw(r'"\ud800"'), Raw("NaN")]
ABSENT = object()
VALUES = {"amount": AMOUNTS, "type": [*TEXTS, "usage"], "reference_id": TEXTS, "agent_id": TEXTS, "description": TEXTS}


def fresh():
    return {"amount": 1, "type": "note", "reference_id": uuid.uuid4().hex}


def one_at_a_time():
    for name in FIELDS:
        yield {other: value for other, value in fresh().items() if other != name}
        for value in VALUES[name]:
            yield fresh() | {name: value}
    yield fresh() | {"amount": -1, "type": "usage"}
    yield fresh() | {"unknown": [1, {"x": None}], "amount ": "x"}


def at_random(number):
    chooser = random.Random(20260131)
    for _ in range(number):
        body = fresh()
        for name in chooser.sample(FIELDS, chooser.randint(1, 5)):
            body[name] = chooser.choice([*VALUES[name], ABSENT])
        reference = body["reference_id"]
        if isinstance(reference, str) and not isinstance(reference, Raw) and reference:
            # As long as it was, but its own.
            body["reference_id"] = (uuid.uuid4().hex + reference)[: max(len(reference), 32)]
        members = [(name, value) for name, value in body.items() if value is not ABSENT]
        chooser.shuffle(members)
        yield dict(members)


# Why a value that FastAPI takes is refused here, or in other words: (fields, test of the parsed value, type of our error).
def as_number(value):
    """The exact number a value stands for, None if it is none."""
    text = value.strip(" ") if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def whole_digits(value):
    number = as_number(value)
    return number is not None and number != 0 and number.adjusted() >= 18


def decimals(value):
    number = as_number(value)
    return number is not None and not whole_digits(value) and number != round(number, 18)


def is_wordy_number(value):
    return isinstance(value, str) and as_number(value) is None


class Number(str):
    """A JSON number's text, NaN and Infinity included, so that no digit is lost on the way to a rule."""


OURS = [
    # True and false are no money.
    (("amount",), lambda value: isinstance(value, bool), "float_type"),
    (("amount",), lambda value: isinstance(value, Number) and value in {"NaN", "Infinity", "-Infinity"}, "finite_number"),
    # Only ASCII digits with ASCII spaces around: no underscores, no words, no tabs.
    (("amount",), lambda value: is_wordy_number(value) and not isinstance(value, Number), "float_parsing"),
    (("amount",), whole_digits, "decimal_whole_digits"),
    (("amount",), decimals, "decimal_max_places"),
    # A key of nothing is none.
    (("type", "reference_id"), lambda value: value == "", "string_too_short"),
    # What an index can hold.
    (("type",), lambda value: isinstance(value, str) and not isinstance(value, Number) and len(value) > 128, "string_too_long"),
    (("reference_id", "agent_id"), lambda value: isinstance(value, str) and len(value) > 500, "string_too_long"),
    # Two keys that look the same must be the same.
    (("type", "reference_id", "agent_id"), lambda value: isinstance(value, str) and value[:1] == " ", "value_error"),
    # What the database can't hold.
    (FIELDS[1:], lambda value: value in ["\x00", "\ud800"], "string_unicode"),
]


def ours(name, value):
    return next((kind for names, applies, kind in OURS if name in names and applies(value)), None)


def expected(raw, published):
    """What our answer must be: FastAPI's, with the rules of OURS laid over it field by field."""
    status, errors = published
    if status not in {200, 422}:
        return published
    try:
        body = json.loads(raw, parse_float=Number, parse_constant=Number, parse_int=Number)
    except ValueError:
        return published
    if not isinstance(body, dict) or (status == 422 and errors and errors[0][1] == ("body",)):
        return published
    kind_of = {place[1]: kind for kind, place in errors}
    for name in FIELDS:
        if name in body and (kind := ours(name, body[name])):
            kind_of[name] = kind
    merged = [(kind_of[name], ("body", name)) for name in FIELDS if name in kind_of]
    if not merged and body["type"] in DIRECTED and as_number(body["amount"]) < 0:
        merged = [("greater_than_equal", ("body", "amount"))]
    return (422, merged) if merged else (200, [])


def status_and_errors(response):
    """Status, and of a 422 its errors' types and places, in their order."""
    if response.status_code != 422:
        return response.status_code, []
    detail = response.json()["detail"]
    return 422, [(error["type"], tuple(error["loc"])) for error in detail]


@pytest.fixture(scope="module")
def published():
    return TestClient(app, raise_server_exceptions=False)


def compare(send, published, raw, content_type="application/json"):
    headers = {"Content-Type": content_type} if content_type is not None else {}
    theirs = published.post(TRANSACTIONS, content=raw, headers=headers)
    mine = send("POST", TRANSACTIONS, raw, content_type=content_type or "")
    if theirs.status_code == 500:
        theirs = TestClient(plain_app).post(TRANSACTIONS, content=raw, headers=headers)
    wanted = expected(raw, status_and_errors(theirs))
    assert status_and_errors(mine) == wanted, (raw, content_type, mine.content)
    return theirs, mine


def test_each_value_of_each_field_is_answered_as_published(send, published):
    bodies = list(one_at_a_time())
    assert len(bodies) > 130
    for body in bodies:
        compare(send, published, encoded(body))


def test_bodies_with_several_faults_are_answered_as_published(send, published):
    for body in at_random(400):
        compare(send, published, encoded(body))


GOOD = b'{"amount": 1, "type": "note", "reference_id": "raw"}'
RAW = [
    b"",
    b" ",
    b"{}",
    b"null",
    b"[1]",
    b'"x"',
    b"7",
    b"true",
    b"{",
    b"}",
    b'{"amount": }',
    b'{"amount": 1,}',
    b'{"amount": 1 "type": "x"}',
    b"{'amount': 1}",
    b'{"amount": 01}',
    b'{"amount": 1',
    b'{"amount": "x',
    b'{"amount": "x\n"}',
    b'{"amount": "\\x"}',
    b'{"amount": +1}',
    b'{"amount": .5}',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"\xff",
    b'{"amount": 1, "type": "\xff"}',
    '{"amount": 1, "type": "ü" x}'.encode(),
    b"[" * 100_000,
    b'{"amount": ' + b"9" * 5000 + b"}",
    b"amount=1&type=x",
    b"plain text",
    b"{} {}",
    b'{"amount": 1, "amount": "x", "type": "note", "reference_id": "twice"}',
    b'{"amount": nan}',
    b"\x00",
    b"[]",
    b"[null]",
    b"-",
    b"NaN",
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_bodies_that_are_no_object_are_answered_as_published(send, published, raw):
    compare(send, published, raw)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON; charset=utf-8",
        "application/vnd.thing+json",
        "application/json;",
        "text/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/xml",
        "nonsense",
        None,
    ],
)
@pytest.mark.parametrize("raw", [GOOD, b"", b"{", b"x=1"], ids=["good", "empty", "broken", "form"])
def test_the_content_type_decides_as_published(send, published, raw, content_type):
    compare(send, published, raw, content_type)


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"",
        b"[1]",
        b"{",
        b'{"amount": 1 "x"}',
        encoded({"amount": "abc", "type": 7, "reference_id": None}),
        b'{"amount": [1], "type": {}}',
    ],
)
def test_where_nothing_is_ours_the_whole_body_is_the_published_one(send, published, raw):
    theirs, mine = compare(send, published, raw)
    assert mine.json() == theirs.json()


def test_an_error_that_fastapi_can_not_write_is_a_422_here(send):
    response = send("POST", TRANSACTIONS, b'{"amount": NaN, "type": "\\ud800", "reference_id": "x"}')
    assert (response.status_code, [error["input"] for error in response.json()["detail"]]) == (422, [None, "\ud800"])


def test_nothing_of_all_that_was_refused_is_in_the_book(send, published):
    from billing.models import Transaction, TransactionType, Wallet

    for body in one_at_a_time():
        response = send("POST", TRANSACTIONS, encoded(body))
        if response.status_code == 200:
            assert response.json()["entry_number"] == Transaction.objects.count()
    for raw in RAW[:-1]:
        send("POST", TRANSACTIONS, raw)
    assert Transaction.objects.count() == Wallet.objects.get().last_entry_number
    assert set(Transaction.objects.values_list("type", flat=True)) == set(TransactionType.objects.values_list("code", flat=True))
