"""A shop that sells for ledger payments while server, database and worker are killed: no hold without a payment, nothing captured twice.

Takes minutes, so it runs on demand only: PAYING_CAMPAIGN=<seconds> .venv/bin/python -m pytest -s tests/scenarios/test_paying_campaign.py
"""

import contextlib
import os
import random
import threading
import time
import uuid
from collections import Counter
from decimal import Decimal

import psycopg
import pytest

from tests.scenarios.killing import Worker, kill
from tests.scenarios.service import Service
from tests.scenarios.three_calls import GRANT

SECONDS = float(os.environ.get("PAYING_CAMPAIGN") or 0)
KILLS = ["server"] * 10 + ["database"] * 10 + ["worker"] * 10
BUYERS = 6
# The job that posts collections runs each minute.
DRAIN_SECONDS = 240
PAY_TO = "shop.example"
# Each customer's credits run out on the way, the wallet never does.
CREDIT, WALLET = 1_000, 10_000_000
OPTION = {"scheme": "upto", "network": "countinghouse:main", "asset": "USD", "payTo": PAY_TO, "maxTimeoutSeconds": 300}
RESOURCE = {"url": "https://shop.example/search"}
NAMES = {"serviceName": "shop", "actionName": "search", "resourceName": "page"}
# Each must be empty.
CONTRADICTIONS = {
    "holds of credits without an open payment": """
        SELECT hold.id FROM credits_hold hold JOIN paying_paymentleg leg ON leg.hold_id = hold.id JOIN paying_payment payment
        ON payment.id = leg.payment_id WHERE hold.status = 'active' AND payment.status NOT IN ('authorized', 'presented')""",
    "holds of the wallet without an open payment": """
        SELECT hold.id FROM billing_wallethold hold JOIN paying_paymentleg leg ON leg.hold_id = hold.id JOIN paying_payment payment
        ON payment.id = leg.payment_id WHERE hold.status = 'active' AND payment.status NOT IN ('authorized', 'presented')""",
    "holds of no payment": """
        SELECT id FROM credits_hold WHERE id NOT IN (SELECT hold_id FROM paying_paymentleg WHERE hold_id IS NOT NULL)
        UNION ALL SELECT id FROM billing_wallethold WHERE id NOT IN (SELECT hold_id FROM paying_paymentleg WHERE hold_id IS NOT NULL)""",
    "two payments of one transaction that took money": """
        SELECT transaction_id FROM paying_payment WHERE captured > 0 GROUP BY transaction_id HAVING count(*) > 1""",
}


class Buyer(threading.Thread):
    """Buys, each call repeated until it is answered, as the published clients and resource servers would."""

    def __init__(self, service, buyer, shop, *, until, seed):
        super().__init__(daemon=True)
        self.service, self.buyer, self.shop, self.until = service, buyer, shop, until
        self.random = random.Random(seed)
        self.statuses = Counter()
        # The amounts that the shop's settlements were answered with, by payment.
        self.settled = {}

    def run(self):
        while time.monotonic() < self.until:
            self.buy()

    def call(self, path, body, headers):
        status, reply = self.service.post_until_answered(path, body, headers)
        self.statuses[f"{path.rpartition('/')[2]} {status}"] += 1
        return reply

    def buy(self):
        headers = self.buyer | {"Idempotency-Key": str(uuid.uuid4())}
        transaction = self.call("/v1/transactions", NAMES | {"customerId": self.random.choice(("ann", "bob"))}, headers)
        path = f"/v1/transactions/{transaction['id']}"
        option = OPTION | {"amount": str(self.random.randint(1, 9))}
        challenge = {"x402Version": 2, "resource": RESOURCE, "accepts": [option]}
        reply = self.call(f"{path}/reauthorize", {"x402": challenge}, self.buyer)
        payment = reply.get("payment")
        if payment and self.random.random() < 0.8:
            self.sell(payment, option)
        end = ("complete", {"outcome": self.random.choice(("success", "error"))}) if self.random.random() < 0.9 else ("cancel", {})
        self.call(f"{path}/{end[0]}", end[1], self.buyer)

    def sell(self, payment, option):
        body = {"x402Version": 2, "paymentPayload": payment["authorizationPayload"], "paymentRequirements": option}
        verified = self.call("/v1/x402/verify", body, self.shop)
        if not verified["isValid"]:
            self.statuses[verified["invalidReason"]] += 1
            return
        used = str(self.random.randint(0, int(option["amount"])))
        settled = self.call("/v1/x402/settle", body | {"paymentRequirements": option | {"amount": used}}, self.shop)
        assert settled["success"], settled
        self.settled[payment["id"]] = Decimal(used)


@pytest.fixture
def service():
    service = Service.prepare(f"postgres-paying-{os.getpid()}")
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture
def keys(service):
    """The headers of the buyer, who has credits and a wallet, and of the shop."""
    found = []
    for slug in ("buyer", "shop"):
        service.manage("create_tenant", slug)
        printed = service.manage("create_api_key", slug, "--all-scopes")
        token = next(line.split()[-1] for line in printed.splitlines() if "Bearer" in line)
        tenant = str(service.rows(f"SELECT id FROM tenants_tenant WHERE slug = '{slug}'")[0][0])
        found.append({"Authorization": f"Bearer {token}", "On-Behalf-Of": tenant})
    service.manage("set_payee", "shop", PAY_TO)
    service.start_server()
    for customer in ("ann", "bob"):
        grant = GRANT | {"sequenceAccountId": found[0]["On-Behalf-Of"], "amount": CREDIT, "customerId": customer}
        assert service.call("POST", "/credits", grant, found[0])[0] == 201
    topup = {"amount": WALLET, "type": "topup", "reference_id": "start", "currency": "USD"}
    assert service.call("POST", "/v1/billing/transactions", topup, found[0])[0] == 200
    return found


@pytest.mark.skipif(not SECONDS, reason="set PAYING_CAMPAIGN to a number of seconds")
def test_a_shop_and_its_buyers_are_paid_once_through_thirty_kills(service, keys):
    worker = Worker(service)
    until = time.monotonic() + SECONDS
    buyers = [Buyer(service, *keys, until=until, seed=seed) for seed in range(BUYERS)]
    for buyer in buyers:
        buyer.start()
    for number, what in enumerate(random.Random(7).sample(KILLS, len(KILLS))):
        time.sleep(max(0, until - SECONDS + (number + 1) * SECONDS / (len(KILLS) + 1) - time.monotonic()))
        kill(what, service, worker)
    for buyer in buyers:
        buyer.join()
    ends_at = time.monotonic() + DRAIN_SECONDS
    while due(service) and time.monotonic() < ends_at:
        time.sleep(1)
    worker.stop()
    settled = {payment: amount for buyer in buyers for payment, amount in buyer.settled.items()}
    print(f"\ncalls {dict(sum((buyer.statuses for buyer in buyers), Counter()))}\nsettled {len(settled)}, {sum(settled.values())} USD")  # noqa: T201
    captured = {str(payment): amount for payment, amount in service.rows("SELECT id, captured FROM paying_payment WHERE captured > 0")}
    assert captured == {payment: amount for payment, amount in settled.items() if amount}
    assert {name: found for name, query in CONTRADICTIONS.items() if (found := service.rows(query))} == {}
    [(taken,)] = service.rows(
        f"SELECT (SELECT {2 * CREDIT} - sum(balance) FROM credits_grant) + (SELECT {WALLET} - sum(balance) FROM billing_wallet wallet "
        "JOIN tenants_tenant tenant ON tenant.id = wallet.tenant_id AND tenant.slug = 'buyer')"
    )
    [(revenue,)] = service.rows(
        "SELECT balance FROM billing_wallet wallet JOIN tenants_tenant tenant ON tenant.id = wallet.tenant_id AND tenant.slug = 'shop'"
    )
    assert (taken, revenue, due(service)) == (sum(settled.values()), sum(settled.values()), 0)
    service.manage("verify_ledgers")


def due(service):
    """How many collections aren't in the shop's wallet yet."""
    with contextlib.suppress(psycopg.Error):
        return service.rows("SELECT count(*) FROM paying_collection WHERE posted_at IS NULL AND amount > 0")[0][0]
    return 1
