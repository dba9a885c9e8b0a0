"""Answers about the past never change, though batches are being posted meanwhile."""

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client

from billing import services
from tests.factories import IssuedKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)
WALLET, TRANSACTIONS = "/v1/billing/wallet", "/v1/billing/transactions"
AGENT = "/v1/billing/agents/a/summary"
READS = [
    f"{WALLET}?as_of=MOMENT",
    f"{WALLET}?as_of=MOMENT&basis=world",
    f"{WALLET}?as_of=MOMENT&currency=EUR",
    f"{TRANSACTIONS}?created_to=MOMENT&limit=5",
    f"{TRANSACTIONS}?occurred_to=MOMENT&limit=5",
    f"{WALLET}/statement?from=2020-01-01&to=MOMENT&format=csv",
    f"{AGENT}?created_to=MOMENT",
]


@pytest.fixture
def key(db):
    return IssuedKeyFactory()


def read(key, path):
    reply = Client().get(path, headers={"Authorization": f"Bearer {key.token}"})
    assert reply.status_code == 200, path
    content = b"".join(reply.streaming_content) if reply.streaming else reply.content
    if path.startswith(f"{WALLET}?"):
        # Wallets that were opened since are listed, with the zero that they held then. By world time numbers are those of today.
        names = ("currency", "balance") if "basis=world" in path else ("currency", "balance", "entry_number", "updated_at")
        wallets = [{name: wallet[name] for name in names} for wallet in json.loads(content)["wallets"] if wallet["balance"]]
        content = json.dumps(wallets).encode()
    return content, reply["Final-Until"]


def test_no_answer_changes_while_batches_are_posted(key):
    context = {"tenant_id": key.key.tenant_id, "actor": "command:test", "request_id": ""}
    is_over = threading.Event()

    def post(number):
        count = 0
        while not is_over.is_set():
            lines = [
                {
                    "amount": Decimal(1),
                    "type": "topup",
                    "reference_id": f"{number}-{count}-{line}",
                    "currency": ("USD", "EUR")[line % 2],
                    "agent_id": "a",
                }
                for line in range(300)
            ]
            services.record_transactions(**context, transactions=lines)
            count += 1
        connection.close()

    writers = [threading.Thread(target=post, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    answers = []
    for _ in range(3):
        for path in READS:
            asked = path.replace("MOMENT", quote((datetime.now(UTC) - timedelta(milliseconds=20)).isoformat()))
            answers.append((asked, *read(key, asked)))
    is_over.set()
    for writer in writers:
        writer.join()
    changed = [path for path, content, _ in answers if read(key, path)[0] != content]
    assert changed == []


def test_an_answer_up_to_a_moment_in_the_future_says_up_to_when_it_is_final(key):
    services.record_transaction(tenant_id=key.key.tenant_id, actor="x", request_id="", amount=Decimal(1), type="topup", reference_id="1")
    later = datetime.now(UTC) + timedelta(days=1)
    for path in READS:
        asked = path.replace("MOMENT", quote(later.isoformat()))
        _, settled = read(key, asked)
        assert datetime.fromisoformat(settled) < later
        past = path.replace("MOMENT", "2026-01-01")
        if "basis=world" not in path and "occurred_to" not in path and "statement" not in path:
            assert read(key, past)[1] == "2026-01-01T00:00:00Z"
