"""The examples of docs/paying.md are what the calls answer: each section in a tenant of its own, its calls in their order."""

import json
from pathlib import Path

import pytest

from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.metering.test_rules_document import CALL, SECTION, difference
from tests.paying.book import PayingBook

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "paying.md"
SECTIONS = dict(SECTION.findall(PAGE.read_text()))


@pytest.mark.django_db
@pytest.mark.parametrize("name", SECTIONS)
def test_an_example_is_what_the_calls_answer(name):
    book = PayingBook(credit=6, wallet=20, slug="acme")
    caller = Caller(IssuedKeyFactory(tenant=book.tenant))
    transaction_id = ""
    for method, address, body, shown in CALL.findall(SECTIONS[name]):
        path = address.format(id=transaction_id)
        reply = caller.post(path, body) if method == "POST" else caller.get(path)
        assert reply.status_code in {200, 201}, reply.content
        transaction_id = transaction_id or reply.json()["id"]
        assert difference(json.loads(shown), reply.json()) == [], (method, path)
    assert transaction_id
    book.is_sound()
