"""Money as JSON numbers, or as strings for callers who ask for them."""

import json
from decimal import Decimal

import pytest

from kernel.api.amounts import AmountNumber, as_text
from kernel.api.fields import Text
from kernel.api.nested import ListOf, Nested
from kernel.api.serializers import money_as_text
from tests.factories import IssuedKeyFactory
from tests.kernel.api.example_api import SALE, BuyerReply, ShopReply

EXACT = Decimal("123456789012345678.123456789012345678")


class LineReply(ShopReply):
    price = AmountNumber(source="unit_price")


class OrderReply(ShopReply):
    name = Text()
    total = AmountNumber(allow_null=True)
    lines = ListOf(Nested(LineReply))
    prices = ListOf(AmountNumber())


ORDER = {"name": "1.5", "total": EXACT, "lines": [{"unit_price": Decimal("0.50")}], "prices": [Decimal(7)]}


def test_money_is_written_as_strings_at_every_depth_and_nothing_else_is():
    assert money_as_text(OrderReply).render(ORDER) == (
        b'{"name":"1.5","total":"123456789012345678.123456789012345678","lines":[{"price":"0.5"}],"prices":["7"]}'
    )
    assert OrderReply.render(ORDER) == b'{"name":"1.5","total":123456789012345678.123456789012345678,"lines":[{"price":0.5}],"prices":[7]}'


def test_a_missing_amount_stays_null():
    assert b'"total":null' in money_as_text(OrderReply).render(ORDER | {"total": None})


def test_a_reply_without_money_is_the_same_class():
    assert money_as_text(BuyerReply) is BuyerReply


def test_amounts_within_errors_become_strings_too():
    assert as_text({"balance": EXACT, "list": [Decimal(1), {"n": 1}], "flag": True}) == {
        "balance": str(EXACT),
        "list": ["1", {"n": 1}],
        "flag": True,
    }


class TestCalls:
    pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kernel.api.example_api")]

    @pytest.fixture
    def get(self, client):
        token = IssuedKeyFactory().token

        def get(prefer=None):
            headers = {"Authorization": f"Bearer {token}"} | ({"Prefer": prefer} if prefer else {})
            return client.get(f"/v1/sales/{SALE}", headers=headers)

        return get

    @pytest.mark.parametrize("prefer", ["money=string", 'wait=5, money="string"', "Money=String"])
    def test_a_reply_with_preferred_strings_says_so(self, get, prefer):
        reply = get(prefer)
        assert json.loads(reply.content)["totalAmount"] == "1"
        assert reply["Preference-Applied"] == "money=string"

    @pytest.mark.parametrize("prefer", [None, "money=number", "return=minimal"])
    def test_a_caller_without_the_preference_gets_numbers(self, get, prefer):
        reply = get(prefer)
        assert json.loads(reply.content)["totalAmount"] == 1
        assert "Preference-Applied" not in reply
