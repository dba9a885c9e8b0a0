"""The published npm clients, unchanged, against a running server: given only a base URL and a key."""

import json
import subprocess
from pathlib import Path

import pytest

from metering.models import Cost, Fact, StatusChange, Transaction
from tests import npm_packages
from tests.factories import IssuedKeyFactory

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = {"@sapiom/core": "0.3.0", "@sapiom/fetch": "0.3.0"}


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder with the installed packages; they are fetched once and kept."""
    return npm_packages.install("clients", CLIENTS, not_tried="THE PUBLISHED CLIENTS WERE NOT TRIED")


@pytest.fixture
def seen(clients, live_server):
    issued = IssuedKeyFactory()
    script = Path(__file__).with_name("clients.mjs")
    command = ["node", script, clients, live_server.url, issued.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout) | {"tenant": str(issued.key.tenant_id), "stderr": done.stderr}


def test_the_published_clients_work_unchanged(seen):
    created, read, cost, completed = seen["created"], seen["read"], seen["cost"], seen["completed"]
    assert seen["isAuthorized"]
    assert seen["isCompleted"]
    # Only the single GET has the rounds of authorization.
    assert read.pop("authorizationRequests")
    read.pop("requestFacts", None)
    assert read == created
    assert created["organizationId"] == seen["tenant"]
    assert created["qualifiers"] == {"snake_key": 1, "camelKey": [True, None]}
    assert created["costs"][0]["fiatAmount"] == "0.050000000000000000"
    assert (cost["fiatAmount"], cost["supersedesCostId"]) == ("0.250000000000000000", created["costs"][0]["id"])
    # The first facts come after an actual cost, which stays; those of the second transaction replace its estimate:
    # 1250 tokens at 10 and 543 at 30 dollars a million.
    late, inferred = seen["lateFacts"], Cost.objects.get(id=seen["facts"]["costId"])
    fields = {"note": None, "read": ["actualInputTokens", "actualOutputTokens"], "ignored": []}
    assert late.pop("occurredAt")[:-1] == f"{Fact.objects.get(id=late['factId']).occurred_at:%Y-%m-%dT%H:%M:%S.%f}"[:-3]
    assert seen["facts"].pop("occurredAt")
    assert late == {"success": True, "factId": late["factId"], "pricing": {"status": "already_known", **fields}}
    assert seen["facts"] == {
        "success": True,
        "factId": str(inferred.inferred_from_id),
        "costId": str(inferred.id),
        "pricing": {"status": "priced", **fields},
        "superseded": [{"costId": seen["second"]["costs"][0]["id"], "fiatAmount": "0.050000000000000000"}],
    }
    assert f"{inferred.fiat_amount:f}" == "0.028790000000000000"
    assert str(inferred.supersedes_id) == seen["second"]["costs"][0]["id"]
    assert completed["transaction"]["status"] == completed["status"] == "completed"
    assert completed["factId"] == str(Fact.objects.get(source="driver").id)
    message = f"Transaction {created['id']} must be in authorized status to complete. Current status: completed"
    refusal = json.dumps({"message": message, "error": "Bad Request", "statusCode": 400}, separators=(",", ":"))
    assert seen["secondComplete"] == f"Request failed with status 400: {refusal}"
    assert seen["authorized"]["status"] == "authorized"

    fetched, broken = seen["fetchedTransaction"], seen["brokenTransaction"]
    assert seen["fetched"] == {"ok": True}
    assert (fetched["serviceName"], fetched["actionName"], fetched["resourceName"]) == ("127.0.0.1", "POST", "/things")
    assert (fetched["outcome"], fetched["metadata"], fetched["agent"]["name"]) == (
        "success",
        {"preemptiveAuthorization": True},
        "fetcher",
    )
    assert (broken["outcome"], broken["resourceName"]) == ("error", "/broken")
    assert "401" in seen["refused"]
    assert Transaction.objects.count() == 5
    assert StatusChange.objects.filter(to_status="completed").count() == 3
    assert seen["stderr"] == ""
