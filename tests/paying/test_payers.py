"""Which payers pay a tenant's challenges, within which limits, and how those are set."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from backoffice.models import Change
from kernel.ledger.errors import InvalidValue
from metering import services
from metering.paying.models import PayerSetting
from metering.paying.services import set_payer
from tests.backoffice.test_settings import change
from tests.paying.shop import PAY_TO, Market, challenge, option
from tests.paying.test_prepaid import money

pytestmark = pytest.mark.django_db


@pytest.fixture
def market():
    return Market()


def limit(market, **limits):
    set_payer(**market.who, **{"payer": "ledger", "is_enabled": True} | limits)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"is_enabled": False}, "needs the payer ledger, which is not enabled"),
        (
            {"max_amount": Decimal("9.99"), "max_currency": "USD"},
            "asks for more than 9.99 USD, the most for one payment of the payer ledger",
        ),
        ({"max_amount": Decimal(99), "max_currency": "EUR"}, "is in USD, and the most for one payment of the payer ledger is in EUR"),
        ({"networks": ["sapiom:main"]}, "is on the network countinghouse:main, which is not among those of the payer ledger"),
        ({"pay_to": ["other", "Shop.example"]}, "pays to shop.example, which is not among those that the payer ledger pays to"),
    ],
)
def test_a_payment_beyond_the_limits_is_refused_and_the_next_option_is_tried(market, limits, why):
    limit(market, **limits)
    created = market.create()
    refused = market.ask(created)
    assert (refused.status_code, refused.json()["message"]) == (400, f"No payment option can be paid: accepts[0] {why}")
    assert market.money() == money(6, 0, 20, 0)
    limit(market, max_amount=Decimal(10), max_currency="USD", networks=["sapiom:main", "countinghouse:main"], pay_to=[PAY_TO])
    body = challenge() | {"accepts": [option("11"), option("10", payTo="other"), option("10")]}
    payment = market.ask(created, body).json()["payment"]
    assert (payment["status"], payment["protocolMetadata"]["acceptsIndex"]) == ("authorized", 2)


def test_without_an_option_that_may_be_paid_a_create_records_nothing(market):
    limit(market, max_amount=Decimal(1), max_currency="USD")
    body = {"serviceName": "search", "paymentData": {"x402": challenge("2")}}
    assert market.caller.post("/v1/transactions", body).status_code == 400
    assert market.caller.get("/v1/transactions").json()["data"] == []


def test_a_payment_that_waits_is_denied_where_the_limits_no_longer_allow_it(market):

    created = market.create()
    services.set_policy(**market.who, authorizes_at_once=False)
    assert market.ask(created).json()["status"] == "preparing"
    limit(market, is_enabled=False)
    row = services.authorize_transaction(**market.who, transaction_id=created).row
    assert (row["status"], row["decline_reason"]) == ("denied", "The payment needs the payer ledger, which is not enabled")
    assert market.money() == money(6, 0, 20, 0)
    market.is_sound()


def test_the_limits_are_set_in_the_office_and_by_a_command_with_a_history(market, office):
    values = {"payer": "ledger", "is_enabled": "on", "max_amount": "50", "max_currency": "USD", "networks": "", "pay_to": "a\r\nb"}
    change(office, "paying/payersetting/set-payer", tenant=market.tenant, **values)
    setting = PayerSetting.objects.get(tenant=market.tenant)
    assert (setting.max_amount, setting.pay_to, setting.networks) == (50, ["a", "b"], [])
    change(office, f"paying/payersetting/{setting.pk}/change-payer", **values | {"max_amount": "5", "pay_to": ""})
    call_command("set_payer", market.tenant.slug, "ledger", "--disable")
    history = Change.objects.filter(table="paying_payersetting").order_by("id")
    assert [one.operation for one in history] == ["INSERT", "UPDATE", "UPDATE"]
    assert [one.actor.partition(":")[0] for one in history] == ["staff", "staff", "command"]
    assert (history[1].before["pay_to"], history[2].after["is_enabled"]) == (["a", "b"], False)


@pytest.mark.parametrize(
    "limits",
    [
        {"payer": "nobody"},
        {"max_amount": Decimal(5)},
        {"max_currency": "USD"},
        {"max_amount": Decimal(0), "max_currency": "USD"},
        {"max_amount": Decimal(5), "max_currency": "XXQ"},
        {"pay_to": [" a"]},
        {"networks": [""]},
    ],
)
def test_limits_that_make_no_sense_are_refused(market, limits):
    with pytest.raises(InvalidValue):
        limit(market, **limits)
    with pytest.raises(CommandError):
        call_command("set_payer", market.tenant.slug, "nobody")
    assert PayerSetting.objects.count() == 0
