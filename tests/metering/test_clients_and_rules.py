"""The published npm clients when spending rules deny: a create, and the second round of a payment."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.metering.rule_bodies import DAILY_CAP, create_rule
from tests.metering.test_clients import clients

__all__ = ["clients"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seen(clients, live_server):
    caller = Caller(IssuedKeyFactory())
    cap, payments = DAILY_CAP | {"limitValue": "1"}, DAILY_CAP | {"measurementType": "sum_payment_amount", "limitValue": "4"}
    condition = {"fieldType": "transaction_property", "fieldName": "agentName", "operator": "equals"}
    create_rule(caller, parameters=[cap | {"measurementScope": "rule"}], conditions=[condition | {"value": "spender"}])
    create_rule(caller, name="No calls", ruleType="blocklist", parameters=[], conditions=[condition | {"value": "blocked"}])
    create_rule(caller, name="Payments", parameters=[payments])
    script = Path(__file__).with_name("clients_rules.mjs")
    command = ["node", script, clients, live_server.url, caller.issued.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_the_published_clients_report_denials_as_denials(seen):
    reason = "Total transaction costs including this transaction (1.10 USD) would exceed limit of 1.00 USD in 24 hours"
    assert seen["allowed"]["status"] == "authorized"
    assert (seen["denied"]["status"], seen["denied"]["declineReason"]) == ("denied", reason)
    assert seen["authorizer"]["name"] == "TransactionDeniedError"
    assert seen["blocked"]["name"] == "AuthorizationDeniedError"
    assert [url for url, _ in seen["calls"]] == ["/paid"], "a denied call never leaves the client"
    assert seen["secondRound"]["status"] == 402
    assert seen["secondRound"]["body"]["accepts"][0]["amount"] == "5"
    paid = seen["paid"]
    assert (paid["status"], paid["payment"]) == ("denied", None)
    assert paid["declineReason"] == "Total payment amount including this payment (5.00 USD) would exceed limit of 4.00 USD in 24 hours"
    assert [(request["round"], request["status"]) for request in paid["authorizationRequests"]] == [(2, "denied"), (1, "authorized")]
