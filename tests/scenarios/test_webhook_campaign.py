"""A random hour of all three ledgers, while worker, server and database are killed; a receiver written with `standardwebhooks` gets every
event, and of each account in order.

Takes minutes, so it runs on demand only: WEBHOOK_CAMPAIGN=<seconds> .venv/bin/python -m pytest -s tests/scenarios/test_webhook_campaign.py
"""

import base64
import contextlib
import os
import random
import secrets
import threading
import time
import uuid
from collections import Counter, defaultdict

import psycopg
import pytest

from tests.kernel.events.receiver import Receiver
from tests.scenarios.killing import Worker, kill
from tests.scenarios.service import Service
from tests.scenarios.three_calls import GRANT

SECONDS = float(os.environ.get("WEBHOOK_CAMPAIGN") or 0)
KILLS = 20
SENDERS = 4
# Leases of the last kill end after a minute; the rest is time to send what waited.
DRAIN_SECONDS = 900
pytestmark = pytest.mark.skipif(not SECONDS, reason="set WEBHOOK_CAMPAIGN to a number of seconds")
# What a book holds, and what must have been received about it: a query for ids, and the types whose objects have them.
EXPECTED = {
    "SELECT id FROM billing_transaction": ("billing.transaction.recorded",),
    "SELECT id FROM billing_transaction WHERE reverses_id IS NOT NULL": ("billing.transaction.reversed",),
    "SELECT id FROM credits_transaction WHERE kind <> 'opening'": ("credits.transaction.posted",),
    "SELECT id FROM credits_grant": ("credits.grant.created",),
    "SELECT id FROM credits_hold": ("credits.hold.placed",),
    "SELECT id FROM credits_hold WHERE status <> 'active'": tuple(f"credits.hold.{end}" for end in ("captured", "released", "expired")),
    "SELECT id FROM metering_transaction": tuple(f"metering.transaction.{name}" for name in ("authorized", "denied")),
    "SELECT id FROM metering_transaction WHERE status = 'completed'": ("metering.transaction.completed",),
    "SELECT id FROM metering_transaction WHERE status = 'cancelled'": ("metering.transaction.cancelled",),
    "SELECT id FROM metering_cost": ("metering.cost.recorded",),
}


class Caller(threading.Thread):
    """Makes random calls, each repeated with its key until it is answered."""

    def __init__(self, service, headers, tenant, *, until, seed):
        super().__init__(daemon=True)
        self.service, self.headers, self.tenant, self.until = service, headers, tenant, until
        self.random = random.Random(seed)
        self.grants, self.holds, self.entries, self.transactions = [], [], [], []
        self.statuses = Counter()

    def run(self):
        self.credit_grant()
        while time.monotonic() < self.until:
            name = self.random.choice(("record", "record", "batch", "reverse", "create", "create", "finish", "cost", "debit", "consume"))
            if self.random.random() < 0.2:
                name = self.random.choice(("hold", "end_hold", "credit_grant"))
            getattr(self, name)()

    def call(self, path, body, expected=(200, 201)):
        headers = self.headers | {"Idempotency-Key": str(uuid.uuid4())}
        status, reply = self.service.post_until_answered(path, body, headers)
        self.statuses[f"{path.split('/')[1]} {status}"] += 1
        return reply if status in expected else None

    def entry(self):
        kind, amount = self.random.choice((("topup", 30), ("usage", 10), ("usage", 15)))
        return {"amount": amount, "type": kind, "reference_id": str(uuid.uuid4()), "currency": self.random.choice(("USD", "EUR"))}

    def record(self):
        if reply := self.call("/v1/billing/transactions", self.entry()):
            self.entries.append(reply["id"])

    def batch(self):
        self.call("/v1/billing/transactions/batch", {"transactions": [self.entry() for _ in range(self.random.randint(2, 6))]})

    def reverse(self):
        if self.entries:
            self.call(f"/v1/billing/transactions/{self.entries.pop()}/reverse", {"reason_code": "other"})

    def create(self):
        cost = {"fiatAmount": "0.5", "fiatAssetSymbol": "USD", "isEstimate": True}
        body = {"serviceName": "openai", "actionName": "chat", "resourceName": "gpt", "costs": [cost][: self.random.randint(0, 1)]}
        if reply := self.call("/v1/transactions", body):
            self.transactions.append(reply["id"])

    def cost(self):
        if self.transactions:
            body = {"fiatAmount": "0.25", "fiatAssetSymbol": "USD", "isEstimate": False}
            self.call(f"/v1/transactions/{self.transactions[-1]}/costs", body)

    def finish(self):
        if self.transactions:
            path = f"/v1/transactions/{self.transactions.pop()}"
            self.call(*self.random.choice(((f"{path}/complete", {"outcome": "success"}), (f"{path}/cancel", {}))))

    def credit_grant(self):
        body = GRANT | {"sequenceAccountId": self.tenant, "amount": 500, "customerId": f"customer-{self.random.randint(1, 3)}"}
        if reply := self.call("/credits", body):
            self.grants.append(reply)

    def debit(self):
        grant = self.random.choice(self.grants)
        self.call("/credit-transactions", {"grantId": grant["id"], "type": "DEBIT", "amount": "1"})

    def consume(self):
        customer = self.random.choice(self.grants)["customerId"]
        self.call(f"/credits/{customer}/consume", {"amount": "3", "currency": "USD"})

    def hold(self):
        customer = self.random.choice(self.grants)["customerId"]
        body = {"amount": "2", "currency": "USD", "expiresAt": "2099-01-01T00:00:00Z"}
        if reply := self.call(f"/credits/{customer}/holds", body):
            self.holds.append((customer, reply["id"]))

    def end_hold(self):
        if self.holds:
            customer, hold = self.holds.pop()
            self.call(f"/credits/{customer}/holds/{hold}/{self.random.choice(('capture', 'release'))}", {})


@pytest.fixture
def service():
    service = Service.prepare(f"postgres-webhooks-{os.getpid()}")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    service.web_settings = {"WEBHOOK_SIGNING_KEY": key, "WEBHOOK_ALLOW_NETS": "127.0.0.0/8", "WEBHOOK_ALLOW_HTTP": "1"}
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture
def account(service):
    service.manage("create_tenant", "hooks")
    printed = service.manage("create_api_key", "hooks", "--all-scopes")
    token = next(line.split()[-1] for line in printed.splitlines() if "Bearer" in line)
    tenant = str(service.rows("SELECT id FROM tenants_tenant WHERE slug = 'hooks'")[0][0])
    service.start_server()
    return {"Authorization": f"Bearer {token}", "On-Behalf-Of": tenant}, tenant


@pytest.fixture
def receiver(service, account):
    receiver = Receiver(tls=False)
    body = {"url": receiver.url, "enabledEvents": ["*"], "ordering": "account"}
    status, _, reply = service.call("POST", "/v1/webhook-endpoints", body, account[0])
    assert status == 201, reply
    receiver.secret = reply["secret"]
    yield receiver
    receiver.stop()


def open_work(service):
    try:
        [(events, deliveries)] = service.rows(
            "SELECT (SELECT count(*) FROM events_event WHERE fanned_out_at IS NULL), "
            "(SELECT count(*) FROM events_delivery WHERE state IN ('pending', 'leased', 'waiting'))"
        )
    except psycopg.Error:
        return 1
    return events + deliveries


def test_every_event_arrives_in_the_order_of_its_account_through_twenty_kills(service, account, receiver):
    headers, tenant = account
    worker = Worker(service)
    until = time.monotonic() + SECONDS
    callers = [Caller(service, headers, tenant, until=until, seed=seed) for seed in range(SENDERS)]
    for caller in callers:
        caller.start()
    kills = random.Random(7).sample(["worker"] * 10 + ["server"] * 5 + ["database"] * 5, KILLS)
    for number, what in enumerate(kills):
        time.sleep(max(0, until - SECONDS + (number + 1) * SECONDS / (KILLS + 1) - time.monotonic()))
        kill(what, service, worker)
    for caller in callers:
        caller.join()
    ends_at = time.monotonic() + DRAIN_SECONDS
    while open_work(service) and time.monotonic() < ends_at:
        time.sleep(1)
    with contextlib.suppress(Exception):
        worker.stop()
    report(service, receiver, callers, kills)
    assert open_work(service) == 0
    check(service, receiver)


def check(service, receiver):
    got = {received.id: received for received in receiver.received}
    assert len({(received.id, received.body) for received in receiver.received}) == len(got)
    objects = defaultdict(set)
    accounts = defaultdict(list)
    for received in got.values():
        event = received.event
        objects[event["type"]].add(event["data"]["object"].get("id", ""))
        accounts[event["account"]].append((event["sequence"], received.id))
    missing = {}
    for query, types in EXPECTED.items():
        expected = {str(id) for (id,) in service.rows(query)}
        if lost := expected - set().union(*(objects[name] for name in types)):
            missing[query] = lost
    assert missing == {}
    assert {account: rows for account, rows in accounts.items() if rows != sorted(rows)} == {}
    assert {str(id).replace("-", "") for (id,) in service.rows("SELECT id FROM events_event")} == {id.removeprefix("evt_") for id in got}


def report(service, receiver, callers, kills):
    statuses = sum((caller.statuses for caller in callers), Counter())
    repeated = sum(count - 1 for count in Counter(receiver.ids).values())
    types = Counter(received.event["type"] for received in receiver.received)
    states = dict(service.rows("SELECT state, count(*) FROM events_delivery GROUP BY state"))
    print(f"\nkills {Counter(kills)}\ncalls {dict(statuses)}\nreceived {len(receiver.received)}, of them repeated {repeated}")  # noqa: T201
    print(f"types {dict(types)}\ndeliveries {states}")  # noqa: T201
