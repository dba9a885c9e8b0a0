"""The server or the database dies in the middle of posting; the same calls are made again; each is in the ledger exactly once."""

import http.client
import os
import threading
import time
import uuid
from types import SimpleNamespace

import pytest

from tests.scenarios.service import Service
from tests.scenarios.three_calls import BILLING, CREDITS, GRANT, METERING

CALLS_EACH = 60
SENDERS = 6
SECONDS = 120


@pytest.fixture(scope="module")
def service():
    service = Service.prepare(f"postgres-faults-{os.getpid()}")
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def account(service):
    """The tenant's id and headers, and a grant of 1,000,000."""
    service.manage("create_tenant", "faults")
    printed = service.manage("create_api_key", "faults", "--all-scopes")
    token = next(line.split()[-1] for line in printed.splitlines() if "Bearer" in line)
    tenant = str(service.rows("SELECT id FROM tenants_tenant WHERE slug = 'faults'")[0][0])
    headers = {"Authorization": f"Bearer {token}", "On-Behalf-Of": tenant}
    service.start_server()
    status, _, grant = service.call("POST", "/credits", GRANT | {"sequenceAccountId": tenant, "amount": 1_000_000}, headers)
    assert status == 201, grant
    return headers, grant["id"]


def work_of(grant_id):
    """The calls of one test, each with a key of its own."""
    work = []
    for _ in range(CALLS_EACH):
        key = str(uuid.uuid4())
        work.append((BILLING, BILLING.body(reference_id=key), {}))
        work.append((METERING, METERING.body(), {"Idempotency-Key": key}))
        work.append((CREDITS, CREDITS.body(grantId=grant_id, amount="1"), {"Idempotency-Key": key}))
    return work


class Senders:
    """Clients that repeat each call until it is answered with success, as a client with idempotency keys should."""

    def __init__(self, service, headers, work):
        self.service, self.headers, self.waiting = service, headers, list(reversed(work))
        self.lock, self.acknowledged, self.wrong, self.repeated = threading.Lock(), {}, [], 0
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(SENDERS)]

    def send(self):
        while True:
            with self.lock:
                if not self.waiting:
                    return
                call, body, headers = self.waiting.pop()
            self.send_until_answered(call, body, headers)

    def send_until_answered(self, call, body, headers):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                status, _, reply = self.service.call("POST", call.path, body, self.headers | headers)
            except (OSError, http.client.HTTPException, ValueError):
                status, reply = 503, None
            if status == call.status:
                with self.lock:
                    self.acknowledged[reply["id"]] = call.ledger
                return
            if status != 503:
                self.wrong.append((call.ledger, status, reply))
                return
            with self.lock:
                self.repeated += 1
            time.sleep(0.05)
        self.wrong.append((call.ledger, "never answered", body))

    def run(self, *, break_it):
        for thread in self.threads:
            thread.start()
        while len(self.acknowledged) < CALLS_EACH // 2:
            time.sleep(0.01)
        break_it()
        # A break while no call was under way proves nothing: a call that comes while the database is away waits and succeeds.
        while not self.repeated and self.waiting:
            break_it()
        for thread in self.threads:
            thread.join(SECONDS)


def books(service):
    """The ids in the three books, and how often each key is in its own."""
    return {
        "billing": [str(row[0]) for row in service.rows("SELECT id FROM billing_transaction")],
        "metering": [str(row[0]) for row in service.rows("SELECT id FROM metering_transaction")],
        "credits": [str(row[0]) for row in service.rows("SELECT id FROM credits_transaction WHERE type = 'DEBIT'")],
    }


def break_server(service):
    service.kill_server()
    service.start_server()


def break_postgres(service):
    service.kill_postgres()
    service.start_postgres()


@pytest.mark.parametrize("break_it", [break_server, break_postgres])
def test_every_acknowledged_and_every_repeated_posting_is_recorded_once(service, account, break_it):
    headers, grant_id = account
    before = books(service)
    senders = Senders(service, headers, work_of(grant_id))
    senders.run(break_it=lambda: break_it(service))
    assert senders.wrong == []
    assert senders.repeated > 0, "nothing was in flight when it broke"
    after = books(service)
    for ledger in before:
        new = sorted(set(after[ledger]) - set(before[ledger]))
        assert len(new) == CALLS_EACH, ledger
        assert new == sorted(row for row, owner in senders.acknowledged.items() if owner == ledger)
    drawn = service.rows(f"SELECT 1000000 - count(*) FROM credits_transaction WHERE grant_id = '{grant_id}' AND type = 'DEBIT'")
    assert service.rows(f"SELECT balance FROM credits_grant WHERE id = '{grant_id}'") == drawn
    assert service.rows("SELECT balance FROM billing_wallet") == service.rows("SELECT sum(effect) FROM billing_transaction")


def test_a_challenge_whose_reply_was_lost_with_the_server_is_paid_once(service, account):
    """The server dies between the hold and its reply; each caller asks again and gets its one payment."""
    headers, _ = account
    topup = {"amount": 1000, "type": "topup", "reference_id": "faults-topup", "currency": "USD"}
    assert service.call("POST", BILLING.path, topup, headers)[0] == BILLING.status
    option = {"scheme": "upto", "network": "countinghouse:main", "asset": "USD", "amount": "1", "payTo": "shop.example"}
    body = {"x402": {"x402Version": 2, "resource": {"url": "https://shop.example/"}, "accepts": [option]}}
    made = [service.call("POST", METERING.path, METERING.body(), headers)[2]["id"] for _ in range(CALLS_EACH)]
    work = [(SimpleNamespace(path=f"{METERING.path}/{one}/reauthorize", status=200, ledger="metering"), body, {}) for one in made]
    senders = Senders(service, headers, work)
    senders.run(break_it=lambda: break_server(service))
    assert (senders.wrong, senders.repeated > 0, sorted(senders.acknowledged)) == ([], True, sorted(made))
    payments = service.rows("SELECT count(*), count(DISTINCT transaction_id), sum(amount) FROM paying_payment WHERE status = 'authorized'")
    assert payments == [(CALLS_EACH, CALLS_EACH, CALLS_EACH)]
    holds = service.rows("SELECT count(*), sum(amount) FROM billing_wallethold WHERE status = 'active'")
    assert (holds, service.rows("SELECT held FROM billing_wallet WHERE currency = 'USD'")) == ([(CALLS_EACH, CALLS_EACH)], [(CALLS_EACH,)])
    service.manage("verify_ledgers")
