"""Resource servers verify and collect payments: what is good, what is refused and with which word, and that nothing is taken twice."""

from datetime import timedelta
from decimal import Decimal

import jwt
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

import credits.services
from billing.models import Transaction as WalletTransaction
from credits.models import CreditTransaction
from kernel.ledger.errors import LedgerError
from metering.paying import services
from metering.paying.models import Collection, Payee, Payment
from metering.paying.tokens import token_keys
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.paying.shop import PAY_TO, URL, Market, challenge, claims_of, first_version, option
from tests.paying.test_prepaid import money

pytestmark = pytest.mark.django_db
AUDIT = {"actor": "job:test", "request_id": "test"}


@pytest.fixture
def market():
    return Market()


@pytest.mark.parametrize(
    ("amount", "left", "cost"),
    [
        ("7.5", ("0", 0, "18.5", 0), ("7.5", "payment_capture")),
        ("5", (1, 0, 20, 0), ("5", "payment_capture")),
        ("10", (0, 0, 16, 0), ("1E+1", "payment_transaction")),
        ("0", (6, 0, 20, 0), ("0", "payment_capture")),
    ],
)
def test_what_was_used_is_captured_of_credits_first_and_the_rest_is_free_again(market, amount, left, cost):
    created = market.create()
    payment = market.ask(created).json()["payment"]
    assert market.verify(payment) == {"isValid": True, "payer": payment["authorizationPayload"]["payload"]["accountId"]}
    assert (market.status(payment), market.money()) == ("presented", money(6, 6, 20, 4))
    settled = market.settle(payment, amount)
    assert settled == {
        "success": True,
        "transaction": settled["transaction"],
        "network": "countinghouse:main",
        "payer": payment["authorizationPayload"]["payload"]["accountId"],
        "amount": amount,
    }
    assert (market.money(), market.costs(created), market.total(created)) == (money(*left), [cost], Decimal(amount))
    read = market.caller.get(f"{URL}/{created}").json()["payment"]
    assert (read["status"], read["protocolMetadata"]["settlement"]["transaction"]) == (
        "captured" if amount != "0" else "released",
        settled["transaction"],
    )
    assert "authorizationPayload" not in read
    # A lost reply is asked for again; another amount is another matter.
    assert market.settle(payment, amount) == settled
    assert market.settle(payment, "1.25")["errorReason"] == "settle_conflict"
    assert market.verify(payment)["invalidReason"] == "already_settled"
    assert market.money() == money(*left)
    debits = CreditTransaction.objects.filter(type="DEBIT", invoice_id=payment["id"])
    assert sum(debit.amount for debit in debits) + sum(
        -entry.effect for entry in WalletTransaction.objects.filter(reference_id=f"payment:{payment['id']}", type="usage")
    ) == Decimal(amount)
    market.is_sound()


def test_the_payee_is_paid_once_however_often_the_job_runs(market):
    first, second = market.pay(), market.pay(challenge("3"))
    market.settle(first, "7.5")
    market.settle(second, "0")
    [due] = market.shop.get("/v1/x402/collections").json()["data"]
    assert (due["status"], due["paymentId"], due["payTo"], due["amount"]) == ("due", first["id"], PAY_TO, "7.500000000000000000")
    # The mark of a posting may be lost with the process that made it.
    services.post_collections(**AUDIT)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE paying_collection SET posted_at = NULL")
    assert services.post_collections(**AUDIT) == 1
    call_command("post_collections")
    [entry] = WalletTransaction.objects.filter(tenant=market.shop.tenant)
    assert (entry.type, entry.reference_id, entry.amount, entry.currency) == ("revenue", f"payment:{first['id']}", Decimal("7.5"), "USD")
    [posted] = market.shop.get("/v1/x402/collections", **{"page[limit]": 1}).json()["data"]
    assert (posted["status"], posted["postedAt"] is not None) == ("posted", True)
    assert market.caller.get("/v1/x402/collections").json()["data"] == []
    market.is_sound()


def test_what_can_be_collected_is_listed_and_needs_the_scope(market):
    kinds = [(kind["scheme"], kind["network"]) for kind in market.shop.get("/v1/x402/supported").json()["kinds"]]
    assert kinds == [(scheme, network) for network in ("countinghouse:main", "sapiom:main") for scheme in ("upto", "exact")]
    without = Caller(IssuedKeyFactory(tenant=market.shop.tenant, scopes=["metering:write", "metering:read"]))
    body = {"x402Version": 2, "paymentPayload": {}, "paymentRequirements": {}}
    for reply in (without.get("/v1/x402/supported"), without.post("/v1/x402/settle", body)):
        assert (reply.status_code, reply.json()["message"]) == (403, "The key lacks the right payments:collect")
    assert market.shop.post("/v1/x402/verify", {"paymentPayload": 1}).status_code == 400
    assert market.shop.post("/v1/x402/verify", body).json()["invalidReason"] == "invalid_payload"


def test_what_is_not_good_is_refused_with_a_word_of_the_protocol_and_moves_nothing(market):
    payment = market.pay()
    payload = payment["authorizationPayload"]
    wanted = option()

    def reasons(requirements=wanted, *, by=None, **changed):
        other = payment | {"authorizationPayload": payload | changed}
        settled = market.settle(other, None, requirements, by=by)
        verified = market.verify(other, requirements, by=by)
        assert not settled["success"] and settled["transaction"] == ""
        return settled["errorReason"], verified["invalidReason"]

    def with_token(token):
        return {"payload": payload["payload"] | {"token": token}}

    claims, key = claims_of(payment), token_keys()["local"]
    stranger = Market(pay_to="other")
    both = lambda word: (word, word)  # noqa: E731
    assert reasons(by=stranger.shop) == both("unauthorized_server")
    assert reasons(**with_token("x.y.z")) == both("attestation_invalid")
    assert reasons(**with_token(None)) == both("attestation_invalid")
    forged = jwt.encode(claims, bytes(32), algorithm="HS256", headers={"kid": "local"})
    assert reasons(**with_token(forged)) == both("attestation_invalid")
    assert reasons(**with_token(jwt.encode(claims, None, algorithm="none", headers={"kid": "local"}))) == both("attestation_invalid")
    for change in ({"jti": "another"}, {"iss": "another"}, {"sub": "x"}, {"identity": {"tenantId": str(stranger.tenant_id)}}):
        signed = jwt.encode(claims | change, key, algorithm="HS256", headers={"kid": "local"})
        assert reasons(**with_token(signed)) == both("attestation_invalid"), change
    assert reasons(payload={}) == both("attestation_invalid")
    assert reasons(payload=None) == both("invalid_payload")
    assert reasons(accepted=option("1")) == both("invalid_payload")
    assert reasons(x402Version=1) == both("invalid_payload")
    assert reasons(wanted | {"scheme": "exact"}) == both("invalid_scheme")
    assert reasons(wanted | {"network": "sapiom:main"}) == both("invalid_network")
    assert reasons(wanted | {"asset": "EUR"}) == both("invalid_payment_requirements")
    assert reasons(wanted | {"payTo": "other"}) == both("invalid_payment_requirements")
    assert reasons(resource={"url": "https://other.example/"}) == both("invalid_payment_requirements")
    for amount in ("1e1", "NaN", "-1", "9" * 40, 10):
        assert reasons(wanted | {"amount": amount}) == both("invalid_payment_requirements"), amount
    assert reasons(wanted | {"amount": "10.01"}) == both("price_not_acceptable")
    assert market.verify(payment, wanted | {"amount": "9"})["invalidReason"] == "price_not_acceptable"
    assert (market.status(payment), market.money()) == ("authorized", money(6, 6, 20, 4))
    assert market.settle(payment)["success"]
    exact = market.pay(challenge("1", scheme="exact"))
    assert market.settle(exact, "0.5")["errorReason"] == "price_not_acceptable"
    assert market.settle(exact)["success"]
    market.is_sound()


def test_a_payment_is_settled_without_being_verified_and_after_the_time_to_present_it():
    market = Market(credit=0)
    payment = market.pay(first_version("2"))
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        assert market.verify(payment)["invalidReason"] == "attestation_expired"
        assert market.settle(payment, "1")["success"]
        market.is_sound()


def test_a_hold_that_somebody_ended_by_itself_is_covered_at_once_or_nothing_is_taken(market):
    import billing.services

    payment = market.pay(challenge("10"))
    hold = next(
        leg
        for leg in market.caller.get(f"{URL}/{payment['transactionId']}/payments").json()["payments"][0]["legs"]
        if leg["kind"] == "wallet"
    )
    billing.services.release_hold(**market.who, hold_id=hold["holdId"])
    billing.services.record_transaction(**market.who, type="usage", reference_id="other", amount=Decimal("18"))
    assert market.settle(payment, "9")["errorReason"] == "hold_expired"
    assert market.money() == money(6, 6, 2, 0)
    assert market.settle(payment, "7.5")["success"]
    assert market.money() == money(0, 0, "0.5", 0)
    market.is_sound()


def test_a_name_is_one_tenants_and_the_office_can_not_release_what_was_presented(market):
    with pytest.raises(CommandError, match=r"shop\.example"):
        call_command("set_payee", market.tenant.slug, PAY_TO)
    call_command("set_payee", market.tenant.slug, "mine")
    call_command("set_payee", market.tenant.slug, "mine")
    assert Payee.objects.filter(tenant=market.tenant).count() == 1
    payment = market.pay()
    market.verify(payment)
    with pytest.raises(Exception, match="payment_presented"):
        services.release_payment(**market.who, payment_id=payment["id"], reason="Mistake")
    other = market.pay(challenge("1"))
    services.release_payment(**market.who, payment_id=other["id"], reason="Mistake")
    assert (market.status(other), market.total(other["transactionId"]), Collection.objects.count()) == ("released", 0, 0)
    market.is_sound()


def test_a_grant_that_expires_while_it_is_held_still_pays_and_can_not_be_voided():
    market = Market(credit=0, wallet=0)
    grant = market.grant(6, expiry_date=timezone.now().date())
    payment = market.pay(challenge("6", extra={"holdSeconds": 86_400}))
    with pytest.raises(LedgerError):
        credits.services.void_grant(**market.who, grant_id=grant.id, reason="Mistake")
    with time_machine.travel(timezone.now() + timedelta(hours=23, minutes=59)):
        assert market.settle(payment, "5")["success"]
    assert market.status(payment) == "captured"


@pytest.mark.parametrize("days", [-400, 400])
def test_every_moment_is_the_databases_however_wrong_the_servers_clock_is(market, days):
    with time_machine.travel(timezone.now() + timedelta(days=days)):
        with connection.cursor() as cursor:
            # The database stays in the present.
            cursor.execute(
                "SELECT setval('test_clock.is_ahead_by', 0), setval('test_clock.stands_at', 0), extract(epoch FROM clock_timestamp())"
            )
            present = int(cursor.fetchone()[2])
        payment = market.pay()
        claims = claims_of(payment)
        assert (0 <= claims["iat"] - present <= 60, claims["exp"] - claims["iat"], claims["holdExp"] - claims["iat"]) == (True, 300, 900)
        assert market.verify(payment)["isValid"]
        assert services.expire_payments(**AUDIT) == 0
        assert market.settle(payment, "7.5")["success"]
    market.is_sound()


def test_what_is_never_presented_can_be_collected_to_the_end_of_its_hold_and_is_then_released(market):
    payment = market.pay()
    end = Payment.objects.get(id=payment["id"]).hold_expires_at
    # The clock stands still, so that a slow machine doesn't reach the end meanwhile.
    with time_machine.travel(end - timedelta(seconds=1), tick=False):
        assert market.verify(payment)["invalidReason"] == "attestation_expired"
        assert services.expire_payments(**AUDIT) == 0
        assert market.money() == money(6, 6, 20, 4)
    with time_machine.travel(end, tick=False):
        assert services.expire_payments(**AUDIT) == 1
        assert (market.status(payment), market.money(), market.total(payment["transactionId"])) == ("expired", money(6, 0, 20, 0), 0)
        assert market.settle(payment)["errorReason"] == "hold_expired"
