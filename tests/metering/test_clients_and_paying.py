"""The published npm clients, unchanged, buy from a shop that answers 402 and collects here: both versions of the protocol."""

import json
import subprocess
from pathlib import Path

import pytest

from metering.models import Transaction
from tests.metering.test_clients import clients
from tests.paying.shop import Market

__all__ = ["clients"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_the_published_clients_pay_a_shop_and_are_told_where_the_money_is_missing(clients, live_server):
    market = Market(credit="0.3", wallet="1")
    script = Path(__file__).with_name("clients_paying.mjs")
    command = ["node", script, clients, live_server.url, market.caller.issued.token, market.shop.issued.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    seen = json.loads(done.stdout)
    assert [(each["success"], each["amount"]) for each in seen["collected"]] == [(True, "0.2"), (True, "0.2")]
    assert (seen["second"], seen["first"]) == ({"status": 200, "body": {"found": 3}},) * 2
    assert (seen["dear"]["status"], seen["dear"]["body"]["accepts"][0]["amount"]) == (402, "500")
    assert {str(amount.normalize()) for amount in market.money()} == {"0", "0.9"}
    dear = Transaction.objects.get(resource_name="/dear")
    assert (dear.status, dear.decline_reason[:18]) == ("denied", "Insufficient funds")
    market.is_sound()
