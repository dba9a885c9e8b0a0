"""The payer x402-evm: what it signs is what the published client signs, and its money is held on the wallet until nobody can collect it."""

import base64
import json
import subprocess
import sys
from decimal import Decimal
from types import SimpleNamespace

import pytest
from x402.schemas import PaymentRequired
from x402.schemas.v1 import PaymentRequiredV1

import billing.services
from kernel.ledger.errors import InvalidValue
from metering.paying import evm, services
from metering.paying.errors import PayerUnavailable
from metering.paying.models import Payment
from metering.paying.payers import EvmPayer, LedgerPayer
from tests.paying import published_evm
from tests.paying.shop import RESOURCE, URL, Market
from tests.paying.test_prepaid import money
from tests.scenarios.service import CHECKOUT

pytestmark = pytest.mark.django_db
KEY = "0x" + "11" * 32
SHOP = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
CONTRACT = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
OPTION = {
    "scheme": "exact",
    "network": "eip155:84532",
    "amount": "2500000",
    "asset": CONTRACT,
    "payTo": SHOP,
    "maxTimeoutSeconds": 60,
    "extra": {"name": "USDC", "version": "2"},
}


def ask(version=2, **more):
    if version == 2:
        return {"x402Version": 2, "resource": {"url": RESOURCE}, "accepts": [OPTION | more]}
    entry = {name: value for name, value in OPTION.items() if name != "amount"} | {
        "network": "base-sepolia",
        "maxAmountRequired": "2500000",
    }
    its = {"resource": RESOURCE, "description": "a search", "mimeType": "application/json"}
    return {"x402Version": 1, "error": "", "accepts": [entry | its | more]}


class EvmMarket(Market):
    def __init__(self, settings, **limits):
        super().__init__()
        settings.PAYERS = [f"{payer.__module__}.{payer.__qualname__}" for payer in (LedgerPayer, EvmPayer)]
        settings.X402_EVM_KEYS = [f"{self.tenant_id}:{KEY}"]
        if limits != {"is_enabled": False}:
            limits = limits or {"max_amount": Decimal(5), "max_currency": "USD"}
            services.set_payer(**self.who, payer="x402-evm", **{"is_enabled": True} | limits)

    def complete_with(self, payment, outcome="success", **receipt):
        facts = {"headers": {"payment-response": base64.b64encode(json.dumps(receipt).encode()).decode()}} if receipt else {}
        body = {"outcome": outcome, "responseFacts": {"source": "http", "version": "1", "facts": facts}}
        reply = self.caller.post(f"{URL}/{payment['transactionId']}/complete", body)
        assert reply.status_code == 200, reply.content
        return self.read(payment)

    def read(self, payment):
        return Payment.objects.get(id=payment["id"])


@pytest.fixture
def market(settings):
    return EvmMarket(settings)


def published(version, body, signed, monkeypatch):
    """What the published client sends for a challenge, with the nonce and at the moment of ours."""
    stated = signed["payload"]["authorization"]
    module, schema = (published_evm.second_version, PaymentRequired) if version == 2 else (published_evm.first_version, PaymentRequiredV1)
    monkeypatch.setattr(module, "create_nonce", lambda: stated["nonce"])
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: int(stated["validBefore"]) - 60))
    client = published_evm.x402ClientSync()
    client.set_spend_controls(False)
    published_evm.register_exact_evm_client(client, published_evm.EthAccountSigner(published_evm.make_account(KEY)))
    payload = client.create_payment_payload(schema.model_validate(body))
    return json.loads(payload.model_dump_json(by_alias=True, exclude_none=True))


def test_signing_leaves_pythons_limit_of_recursion_as_it_was():
    program = """
import sys
before = sys.getrecursionlimit()
from metering.paying import evm
evm._signing_functions()
assert "eth_account" in sys.modules and sys.getrecursionlimit() == before, sys.getrecursionlimit()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=CHECKOUT)
    # Nor does anything else that the tests load: a deeply nested body must raise RecursionError in them as in production.
    assert sys.getrecursionlimit() < 10_000


@pytest.mark.parametrize("version", [2, 1])
def test_what_is_signed_is_what_the_published_client_signs(market, version, monkeypatch):
    body = ask(version)
    created = market.create()
    reply = market.ask(created, body)
    payment = reply.json()["payment"]
    signed = payment["authorizationPayload"]
    assert signed == published(version, body, signed, monkeypatch)
    assert json.dumps(signed["payload"]) == json.dumps(published(version, body, signed, monkeypatch)["payload"])
    # A repeated call gets the same signature, and no credits are held.
    again = market.ask(created, body)
    assert (again.json()["payment"]["authorizationPayload"], again.headers["Idempotent-Replayed"]) == (signed, "true")
    assert (payment["amount"], payment["payToType"], payment["status"]) == ("2.500000000000000000", "address", "presented")
    assert market.money() == money(6, 0, 20, "2.5")
    market.is_sound()


def test_the_table_decides_what_is_signed_whatever_the_challenge_says(market, monkeypatch):
    body = ask(asset="USDC", extra={"name": "Euro Coin", "version": "9"})
    signed = market.pay(body)["authorizationPayload"]
    assert signed["payload"] == published(2, ask(), signed, monkeypatch)["payload"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"network": "eip155:1"}, "has the unknown network eip155:1"),
        ({"network": "base-sepolia"}, f"has the unknown asset {CONTRACT}"),
        ({"asset": "0x" + "1" * 40}, f"has the unknown asset 0x{'1' * 40}"),
        ({"scheme": "upto"}, "has the scheme upto, and this network has exact"),
        ({"amount": "2.5"}, "has an amount that is no whole number of the token's units"),
        ({"payTo": "shop"}, "has a payTo that is no address"),
        ({"extra": {"assetTransferMethod": "permit2"}}, "has an extra.assetTransferMethod other than eip3009"),
        ({"maxTimeoutSeconds": 3601}, "has a maxTimeoutSeconds above 3600: what is signed can't be taken back"),
        ({"amount": "5000001"}, "asks for more than 5 USD, the most for one payment of the payer x402-evm"),
    ],
)
def test_what_is_not_safe_to_sign_is_refused(market, more, why):
    refused = market.ask(market.create(), ask(**more))
    assert (refused.status_code, refused.json()["message"]) == (400, f"No payment option can be paid: accepts[0] {why}")
    assert market.money() == money(6, 0, 20, 0)


def test_it_is_off_until_it_is_enabled_with_a_limit_a_key_and_the_package(settings, monkeypatch, tmp_path):
    market = EvmMarket(settings, is_enabled=False)
    refused = market.ask(market.create(), ask()).json()["message"]
    assert refused.endswith("needs the payer x402-evm, which is not enabled")
    named = {**market.who, "payer": "x402-evm", "is_enabled": True}
    with pytest.raises(InvalidValue):
        services.set_payer(**named)
    settings.X402_EVM_KEYS = []
    with pytest.raises(PayerUnavailable, match="X402_EVM_KEYS has no key for this tenant"):
        services.set_payer(**named, pay_to=[SHOP])
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    settings.X402_EVM_KEYS = [f"{market.tenant_id}:{path}"]
    with monkeypatch.context() as without:
        without.setattr(evm, "find_spec", lambda name: None)
        with pytest.raises(PayerUnavailable, match="eth-account is not installed"):
            services.set_payer(**named, pay_to=[SHOP])
    services.set_payer(**named, pay_to=[SHOP.upper().replace("X", "x")])
    assert market.pay(ask())["status"] == "presented"
    assert market.ask(market.create(), ask(payTo="0x" + "2" * 40)).status_code == 400
    settings.X402_EVM_KEYS = [f"{market.tenant_id}:{tmp_path / 'none'}"]
    assert "can't be read" in market.ask(market.create(), ask()).json()["message"]


def test_what_can_not_be_signed_is_not_held(market, monkeypatch):
    def fail(**facts):
        raise evm.CantSign("broken")

    monkeypatch.setattr(evm, "sign_transfer", fail)
    assert market.ask(market.create(), ask()).status_code == 400
    assert (market.money(), Payment.objects.count()) == (money(6, 0, 20, 0), 0)


RECEIPT = {"success": True, "transaction": "0xabc", "network": "eip155:84532", "payer": "0x1"}


@pytest.mark.parametrize(
    ("outcome", "receipt", "captured", "unconfirmed"),
    [
        ("success", RECEIPT, "2.5", False),
        ("success", RECEIPT | {"amount": "1500000"}, "1.5", False),
        ("error", RECEIPT, "2.5", False),
        # Whatever else it is, it is taken for paid.
        ("success", {}, "2.5", True),
        ("success", RECEIPT | {"amount": "2500001"}, "2.5", True),
        ("success", RECEIPT | {"network": "eip155:1"}, "2.5", True),
        ("success", RECEIPT | {"amount": "-1"}, "2.5", False),
    ],
)
def test_the_receipt_of_the_resource_says_what_was_paid(market, outcome, receipt, captured, unconfirmed):
    payment = market.pay(ask())
    read = market.complete_with(payment, outcome, **receipt)
    assert (read.status, read.captured, read.is_unconfirmed) == ("captured", Decimal(captured), unconfirmed)
    assert market.money() == money(6, 0, 20 - Decimal(captured), 0)
    assert market.total(payment["transactionId"]) == Decimal(captured)
    [shown] = market.caller.get(f"{URL}/{payment['transactionId']}/payments").json()["payments"]
    assert shown["protocolMetadata"].get("unconfirmed", False) is unconfirmed
    assert shown["protocolMetadata"]["settlement"].get("receipt") == (None if unconfirmed else "0xabc")
    market.is_sound()


@pytest.mark.parametrize(("outcome", "receipt"), [("error", {}), ("success", RECEIPT | {"success": False})])
def test_what_may_still_be_collected_stays_held_to_its_end_and_is_marked(market, outcome, receipt):
    payment = market.pay(ask())
    path = f"{URL}/{payment['transactionId']}"
    assert market.caller.post(f"{path}/cancel").status_code == 409
    assert market.ask(payment["transactionId"], ask(amount="1")).status_code == 409
    assert market.caller.post(f"{path}/payments/{payment['id']}/release", {}).status_code == 409
    read = market.complete_with(payment, outcome, **receipt)
    assert (read.status, market.money()) == ("presented", money(6, 0, 20, "2.5"))
    ends = int(payment["authorizationPayload"]["payload"]["authorization"]["validBefore"])
    assert 299 <= read.hold_expires_at.timestamp() - ends <= 301
    market.is_sound()
    market.move_clock(read)
    services.expire_payments(actor="job:test", request_id="")
    read.refresh_from_db()
    assert (read.status, read.is_unconfirmed, market.money()) == ("expired", True, money(6, 0, 20, 0))
    assert market.total(payment["transactionId"]) == 0
    market.is_sound()


def test_what_is_signed_for_longer_than_money_may_be_held_is_denied(market):
    billing.services.set_policy(tenant_id=market.tenant_id, actor="command:test", request_id="", longest_hold_seconds=300)
    row = market.ask(market.create(), ask()).json()
    assert (row["status"], "must be held for 360 seconds" in row["declineReason"]) == ("denied", True)
    assert market.money() == money(6, 0, 20, 0)
