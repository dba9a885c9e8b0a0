"""A resource answered 402: what is paid, what is refused, and what becomes of the hold."""

import hashlib
import json
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

import billing.services
from metering import services as metering
from metering.paying import services
from metering.paying.models import Payment, PaymentToken
from tests.paying.shop import PAY_TO, RESOURCE, URL, Market, challenge, claims_of, first_version, is_ascii, option
from tests.paying.test_prepaid import money
from tests.rules.book import RuleBook, limit

pytestmark = pytest.mark.django_db
AUDIT = {"actor": "job:test", "request_id": "test"}


@pytest.fixture
def market():
    return Market()


def later(**span):
    return time_machine.travel(timezone.now() + timedelta(**span))


def test_a_challenge_is_paid_of_credits_first_and_the_wallet_next(market):
    created = market.create("4")
    reply = market.ask(created).json()
    payment = reply["payment"]
    payload, metadata = payment["authorizationPayload"], payment["protocolMetadata"]
    assert (reply["status"], reply["requiresPayment"], reply["currentPaymentTransactionId"]) == ("authorized", True, payment["id"])
    shown = {name: payment[name] for name in ("protocol", "network", "token", "scheme", "amount", "payTo", "payToType", "status")}
    assert shown == {
        "protocol": "x402",
        "network": "countinghouse:main",
        "token": "USD",
        "scheme": "upto",
        "amount": "10.000000000000000000",
        "payTo": PAY_TO,
        "payToType": "account",
        "status": "authorized",
    }
    assert (metadata["x402Version"], metadata["resource"], metadata["acceptsIndex"]) == (2, RESOURCE, 0)
    assert market.money() == money(6, 6, 20, 4)
    # What is held takes the place of the estimate, and is the transaction's cost.
    assert (market.costs(created), market.total(created)) == ([("1E+1", "payment_transaction")], 10)
    [hold] = [cost for cost in market.caller.get(f"{URL}/{created}/costs").json()["costs"] if cost["isActive"]]
    assert (hold["isEstimate"], hold["paymentTransactionId"], hold["supersedesCostId"] is not None) == (False, payment["id"], True)
    assert {name: payload[name] for name in ("x402Version", "accepted", "resource")} == {
        "x402Version": 2,
        "accepted": option(),
        "resource": {"url": RESOURCE},
    }
    assert set(payload["payload"]) == {"nonce", "token", "amount", "accountId", "authorizationId"}
    claims = claims_of(payment)
    assert (claims["iss"], claims["aud"], claims["sub"], claims["jti"]) == (
        "countinghouse:main",
        PAY_TO,
        payment["id"],
        payload["payload"]["nonce"],
    )
    assert (claims["exp"] - claims["iat"], claims["holdExp"] - claims["iat"]) == (300, 900)
    market.is_sound()


def test_the_same_challenge_again_is_the_same_payment_and_the_get_shows_it(market):
    created = market.create()
    first = market.ask(created)
    again = market.ask(created)
    assert (again["Idempotent-Replayed"], again.json()) == ("true", first.json())
    read = market.caller.get(f"{URL}/{created}").json()
    assert read["payment"] == first.json()["payment"]
    assert Payment.objects.count() == 1
    execution = read["authorizationRequests"][0]["ruleExecutions"][0]
    assert (execution["rule"]["name"], execution["outputData"]["reason"], execution["outputData"]["metadata"]["paymentTransactionId"]) == (
        "System: Payment Authorization",
        "Payment successfully authorized",
        read["payment"]["id"],
    )
    # A reader of the database or of a list can't collect.
    token = PaymentToken.objects.get()
    nonce = read["payment"]["authorizationPayload"]["payload"]["nonce"]
    assert bytes(token.nonce_digest) == hashlib.sha256(nonce.encode()).digest()
    for path in (URL, f"{URL}/{created}/payments"):
        text = market.caller.get(path).content.decode()
        assert ("authorizationPayload" in text, nonce in text) == (False, False)


def test_a_key_that_is_rotated_still_makes_and_knows_the_tokens_that_it_signed(market, settings):
    old, new = settings.PAYMENT_TOKEN_KEYS[0], "second:" + "B" * 43 + "="
    created = market.create()
    first = market.ask(created).json()["payment"]
    settings.PAYMENT_TOKEN_KEYS = [new, old]
    assert market.ask(created).json()["payment"] == first
    assert market.verify(first)["isValid"]
    assert PaymentToken.objects.get(payment_id=market.pay()["id"]).key_id == "second"
    settings.PAYMENT_TOKEN_KEYS = [new]
    assert "authorizationPayload" not in market.ask(created).json()["payment"]
    assert market.settle(first)["errorReason"] == "attestation_invalid"
    settings.PAYMENT_TOKEN_KEYS = []
    refused = market.ask(market.create())
    assert (refused.status_code, "has no key that signs payments" in refused.json()["message"]) == (400, True)


def test_without_the_money_it_is_denied_and_nothing_is_held(market):
    created = market.create("4")
    reply = market.ask(created, challenge("27")).json()
    reason = "Insufficient funds: 27.00 USD needed, 6.00 USD in credits and 20.00 USD in the wallet available"
    assert (reply["status"], reply["declineReason"], reply["payment"]) == ("denied", reason, None)
    assert (market.money(), market.costs(created)) == (money(6, 0, 20, 0), [("0", "denial")])
    [request, _] = market.caller.get(f"{URL}/{created}").json()["authorizationRequests"]
    assert [(one["rule"]["name"], one["outputData"]["decision"]) for one in request["ruleExecutions"]] == [
        ("System: Payment Authorization", "DENIED")
    ]
    market.is_sound()


def test_a_rule_denies_before_the_money_is_asked_and_counts_what_was_captured(market):
    book = RuleBook(tenant=market.tenant)
    book.add_rule(limit(12))
    payment = market.pay(challenge("9"), estimate="4")
    assert book.used() == {"[]": 9}
    denied = market.ask(market.create(), challenge("4")).json()
    assert (denied["status"], denied["payment"]) == ("denied", None)
    assert market.money() == money(6, 6, 20, 3)
    assert market.settle(payment, "1")["success"]
    assert book.used() == {"[]": 1}
    market.pay(challenge("11"))
    assert book.used() == {"[]": 12}
    market.is_sound()


def test_another_challenge_takes_the_place_of_a_payment_that_was_not_presented(market):
    created = market.create("4")
    first = market.ask(created).json()["payment"]
    second = market.ask(created, challenge("8")).json()["payment"]
    assert (market.status(first), market.status(second), market.money()) == ("cancelled", "authorized", money(6, 6, 20, 2))
    assert (market.costs(created), market.total(created)) == ([("0", "payment_release"), ("8", "payment_transaction")], 8)
    assert market.verify(first) == {"isValid": False, "payer": market.verify(first)["payer"]} | {
        "invalidReason": "attestation_revoked",
        "invalidMessage": "The payment was taken back before it was presented",
    }
    assert market.verify(second)["isValid"]
    refused = market.ask(created, challenge("7"))
    assert (refused.status_code, refused.json()["message"]) == (
        409,
        f"Transaction {created} already has a payment in progress: {second['id']}",
    )
    market.settle(second, "3")
    assert market.ask(created, challenge("7")).status_code == 409
    market.is_sound()


def test_a_denied_further_round_releases_what_the_earlier_one_held(market):
    created = market.create()
    market.ask(created)
    assert market.ask(created, challenge("100")).json()["status"] == "denied"
    assert market.money() == money(6, 0, 20, 0)
    market.is_sound()


def test_a_transaction_that_waits_is_paid_when_it_is_decided(market):
    metering.set_policy(**market.who, authorizes_at_once=False)
    created = market.create("4")
    its = {**market.who, "transaction_id": created}
    metering.prepare_transaction(**its)
    metering.authorize_transaction(**its)
    waits = market.ask(created).json()
    assert (waits["status"], waits["payment"], market.money()) == ("preparing", None, money(6, 0, 20, 0))
    metering.authorize_transaction(**its)
    payment = market.caller.get(f"{URL}/{created}").json()["payment"]
    assert (market.costs(created), market.money()) == ([("1E+1", "payment_transaction")], money(6, 6, 20, 4))
    assert market.verify(payment)["isValid"]
    market.is_sound()


def test_a_prepaid_call_that_meets_a_402_pays_that_in_place_of_its_estimate():
    market = Market(holds_estimates=True)
    created = market.create("4")
    assert market.money() == money(6, 4, 20, 0)
    payment = market.ask(created, challenge("9")).json()["payment"]
    assert (market.money(), payment["protocol"]) == (money(6, 6, 20, 3), "x402")
    market.verify(payment)
    market.caller.post(f"{URL}/{created}/costs", {"fiatAmount": "0.5", "fiatAssetSymbol": "USD", "isEstimate": False})
    assert market.caller.post(f"{URL}/{created}/complete", {"outcome": "success"}).status_code == 200
    # The other cost is paid as ever; what the shop takes comes later.
    assert market.money() == money(6, 6, "19.5", 3)
    market.settle(payment, "9")
    assert (market.money(), market.total(created)) == (money(0, 0, "16.5", 0), 9.5)
    market.is_sound()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (challenge("1e3"), "accepts[0] has an amount that is no decimal above 0"),
        (challenge("-1"), "accepts[0] has an amount that is no decimal above 0"),
        (challenge("NaN"), "accepts[0] has an amount that is no decimal above 0"),
        (challenge("1" * 40), "accepts[0] has an amount that is no decimal above 0"),
        (challenge("1" * 21), "accepts[0] has an amount that is too large"),
        (challenge("0." + "0" * 18 + "1"), "accepts[0] has an amount of more than 18 decimals"),
        (challenge(asset="USDC"), "accepts[0] has the unknown asset USDC"),
        (challenge(scheme="deferred"), "accepts[0] has the unknown scheme deferred"),
        (challenge(network="countinghouse:other"), "accepts[0] has the unknown network countinghouse:other"),
        (challenge(extra={"note": "é"}), "accepts[0] is not ASCII"),
        (challenge(extra=[1]), "accepts[0] has an extra that is no object"),
        (challenge(extra={"holdSeconds": "9"}), "accepts[0] has an extra.holdSeconds that is no whole number above 0"),
        (challenge(maxTimeoutSeconds=0), "accepts[0] has a maxTimeoutSeconds that is no whole number above 0"),
        (challenge() | {"extensions": {"a": "—"}}, "accepts[0] comes with extensions that are not ASCII"),
        (
            challenge() | {"accepts": [1, option(payTo="é"), option(network="eip155:1")]},
            "accepts[0] is not an object; accepts[1] has a payTo that is not ASCII; accepts[2] has the unknown network eip155:1",
        ),
    ],
)
def test_a_challenge_without_a_payable_option_changes_nothing(market, body, message):
    created = market.create()
    reply = market.ask(created, body)
    expected = [("x402.accepts.0 must be an object")] if 1 in body["accepts"] else f"No payment option can be paid: {message}"
    assert (reply.status_code, reply.json()["message"]) == (400, expected)
    assert (market.caller.get(f"{URL}/{created}").json()["status"], market.money()) == ("authorized", money(6, 0, 20, 0))


def test_the_first_option_that_can_be_paid_is_taken_and_echoed_as_it_was_sent(market):
    entry = option("0.50", network="sapiom:main", extra={}, unknown={"b": [1, 2.50], "a": None}, maxTimeoutSeconds=60)
    body = challenge() | {"accepts": [option(network="eip155:1"), entry, option()], "extensions": {"x": {"info": 1.50}}}
    body["resource"] = {"url": "https://shop.example/ä b?q=—", "description": "A — b", "mimeType": "text/plain"}
    created = market.create()
    # The digits of numbers are the caller's.
    text = json.dumps({"x402": body}).replace("2.5]", "2.50]")
    reply = market.caller.post(f"{URL}/{created}/reauthorize", text)
    payment = reply.json()["payment"]
    payload = payment["authorizationPayload"]
    assert (payload["accepted"], payload["extensions"], is_ascii(payload)) == (entry, body["extensions"], True)
    assert "[1, 2.50]" in reply.content.decode()
    assert payload["resource"] == {"url": "https://shop.example/%C3%A4%20b?q=%E2%80%94", "mimeType": "text/plain"}
    assert (payment["protocolMetadata"]["acceptsIndex"], claims_of(payment)["exp"] - claims_of(payment)["iat"]) == (1, 60)
    assert market.verify(payment)["isValid"]


def test_the_first_version_of_the_protocol_has_its_own_payload(market):
    payment = market.pay(first_version("0.25"))
    payload = payment["authorizationPayload"]
    assert (set(payload), payload["x402Version"], is_ascii(payload)) == ({"x402Version", "scheme", "network", "payload"}, 1, True)
    assert market.verify(payment)["isValid"]
    assert market.settle(payment, "0.2")["amount"] == "0.2"


def test_a_key_means_one_challenge_and_another_tenant_sees_nothing(market):
    created = market.create()
    key = {"Idempotency-Key": "k"}
    first = market.ask(created, **key).json()
    assert market.ask(created, **key).json() == first
    refused = market.ask(created, challenge("3"), **key)
    assert (refused.status_code, "x402" in refused.json()["message"]) == (409, True)
    assert market.shop.post(f"{URL}/{created}/reauthorize", {"x402": challenge()}).status_code == 403
    stranger = Market(pay_to="other")
    assert stranger.ask(created).status_code == 404


def test_complete_or_cancel_take_back_what_was_not_presented(market):
    for call, body in (("complete", {"outcome": "success"}), ("complete", {"outcome": "error"}), ("cancel", {})):
        created = market.create("4")
        payment = market.ask(created).json()["payment"]
        done = market.caller.post(f"{URL}/{created}/{call}", body).json()
        assert (done["payment"]["status"], "authorizationPayload" in done["payment"]) == ("released", False)
        assert (market.costs(created), market.money()) == ([("0", "payment_release")], money(6, 0, 20, 0))
        assert market.settle(payment)["errorReason"] == "attestation_revoked"
        assert market.ask(created, challenge("3")).status_code == (200 if call == "complete" else 400)
    market.is_sound()


def test_what_was_presented_can_not_be_cancelled_and_is_collected_after_completion(market):
    created = market.create()
    payment = market.ask(created).json()["payment"]
    market.verify(payment)
    refused = market.caller.post(f"{URL}/{created}/cancel")
    assert (refused.status_code, refused.json()["message"]) == (
        409,
        f"A payment of this transaction has been presented: {payment['id']}",
    )
    done = market.caller.post(f"{URL}/{created}/complete", {"outcome": "success"}).json()
    assert (done["payment"]["status"], market.money()) == ("presented", money(6, 6, 20, 4))
    assert market.settle(payment, "7.5")["success"]
    assert (market.money(), market.costs(created)) == (money(0, 0, "18.5", 0), [("7.5", "payment_capture")])
    market.is_sound()


def test_a_payment_that_nobody_collects_expires_to_the_second_and_can_be_paid_again(market):
    created = market.create()
    payment = market.ask(created).json()["payment"]
    with later(minutes=6):
        assert market.verify(payment)["invalidReason"] == "attestation_expired"
        # The same challenge is paid again: the first payment can't be presented any more.
        second = market.ask(created).json()["payment"]
        assert (second["id"] != payment["id"], market.status(payment)) == (True, "cancelled")
        market.verify(second)
    with later(minutes=22):
        assert market.settle(second)["errorReason"] == "hold_expired"
        assert market.caller.get(f"{URL}/{created}").json()["payment"]["status"] == "expired"
        assert services.expire_payments(**AUDIT) == 1
        assert (market.status(second), market.money(), market.total(created)) == ("expired", money(6, 0, 20, 0), 0)
        assert market.settle(second)["errorReason"] == "hold_expired"
        assert market.ask(created).json()["payment"]["status"] == "authorized"
    market.is_sound()


def test_a_shop_may_ask_for_a_longer_hold_up_to_a_day(market):
    for seconds, held in ((7200, 7200), (10**6, 86400), (10, 300)):
        payment = market.pay(challenge("1", extra={"holdSeconds": seconds}))
        claims = claims_of(payment)
        assert claims["holdExp"] - claims["iat"] == held


def test_the_cost_that_a_payment_is_changes_with_the_payment_alone(market):
    created = market.create()
    market.ask(created)
    [hold] = market.caller.get(f"{URL}/{created}/costs").json()["costs"]
    body = {"fiatAmount": "0", "fiatAssetSymbol": "USD", "isEstimate": False, "supersedesCostId": hold["id"]}
    refused = market.caller.post(f"{URL}/{created}/costs", body)
    assert (refused.status_code, "which that payment alone changes" in refused.json()["message"]) == (409, True)


def test_a_create_with_a_challenge_pays_in_the_same_call_or_records_nothing(market):
    named = {"serviceName": "openai", "costs": [{"fiatAmount": "4", "fiatAssetSymbol": "USD", "isEstimate": True}]}
    body = named | {"paymentData": {"x402": challenge()}}
    reply = market.caller.post(URL, body, **{"Idempotency-Key": "k"})
    created, again = reply.json(), market.caller.post(URL, body, **{"Idempotency-Key": "k"})
    assert (reply.status_code, created["status"], created["payment"]["amount"]) == (201, "authorized", "10.000000000000000000")
    assert (again["Idempotent-Replayed"], again.json()["payment"]) == ("true", created["payment"])
    assert (market.costs(created["id"]), market.money()) == ([("1E+1", "payment_transaction")], money(6, 6, 20, 4))
    assert market.settle(created["payment"], "1")["success"]
    for wrong, message in (
        ({"x402": challenge(network="eip155:1")}, "No payment option can be paid: accepts[0] has the unknown network eip155:1"),
        ({"x402": {"x402Version": 2}}, ["paymentData.x402.accepts should not be empty"]),
    ):
        refused = market.caller.post(URL, named | {"paymentData": wrong})
        assert (refused.status_code, refused.json()["message"]) == (400, message)
    denied = market.caller.post(URL, named | {"paymentData": {"x402": challenge("99")}}).json()
    assert (denied["status"], denied["payment"]) == ("denied", None)
    # What is no challenge is kept as it is.
    plain = market.caller.post(URL, named | {"paymentData": {"x402": "none", "card": 1.50}}).json()
    assert plain["payment"] is None
    assert len(market.caller.get(URL).json()["data"]) == 3
    market.is_sound()


def test_a_challenge_is_paid_of_a_wallet_that_is_opened_with_a_floor_below_zero():
    market = Market(credit=0, wallet=0)
    billing.services.set_policy(**market.who, default_floor=Decimal(-10))
    payment = market.pay()
    assert (market.money(), market.settle(payment)["success"], market.money()) == (money(0, 0, 0, 10), True, money(0, 0, -10, 0))
    market.is_sound()
