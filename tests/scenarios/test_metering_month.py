"""One piece of work from estimate to fact, with its numbers: three calls in a trace, one without a price at first, then re-priced."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller

pytestmark = pytest.mark.django_db
URL = "/v1/transactions"


def usd(amount, *, is_estimate=True):
    return {"fiatAmount": amount, "fiatAssetSymbol": "USD", "isEstimate": is_estimate}


def facts(**quantities):
    return {"source": "worker", "version": "1", "facts": quantities}


def summary(caller):
    [spend] = caller.get("/v1/analytics/summary").json()["data"]["spend"]
    return tuple(Decimal(spend[name]) for name in ("estimated", "actual", "total"))


def test_a_report_is_written_and_every_cent_of_it_explained():
    caller = Caller(IssuedKeyFactory())
    work = {"traceExternalId": "report-7", "agentName": "writer"}

    # The writer expects 5 cents for its model, 2 for the search and 1 for the pages it scans: 8 cents, all of it a guess.
    draft = caller.create(**work, resourceName="gpt-4-turbo", costs=[usd("0.05")])
    search = caller.create(**work, serviceName="search", resourceName="web", costs=[usd("0.02")])
    scan = caller.create(**work, serviceName="scanner", resourceName="page", costs=[usd("0.01")])
    assert summary(caller) == (Decimal("0.08"), 0, Decimal("0.08"))

    # The model took 2,000 tokens and gave 1,000: 2 cents at 10 dollars a million, and 3 at 30. The search says what it cost; the scanner
    # reports pages, for which there is no price yet, so its estimate stands.
    done = caller.post(f"{URL}/{draft['id']}/complete", {"outcome": "success", "responseFacts": facts(inputTokens=2000, outputTokens=1000)})
    assert done.json()["pricing"] == {"status": "priced", "note": None, "read": ["inputTokens", "outputTokens"], "ignored": []}
    caller.post(f"{URL}/{search['id']}/costs", usd("0.015", is_estimate=False) | {"supersedesCostId": search["costs"][0]["id"]})
    caller.post(f"{URL}/{search['id']}/complete", {"outcome": "success"})
    done = caller.post(f"{URL}/{scan['id']}/complete", {"outcome": "error", "responseFacts": facts(pages=4)})
    assert done.json()["pricing"] == {"status": "unknown_model", "note": "page", "read": [], "ignored": []}
    assert summary(caller) == (Decimal("0.01"), Decimal("0.065"), Decimal("0.075"))

    # A price for pages is agreed, from the first of the year on; the scanner reports once more, and its estimate becomes a fact.
    slug, january = caller.tenant.slug, f"{timezone.now().year}-01-01"
    call_command("set_price", slug, "pages=0.003", "--service", "scanner", "--from", january, stdout=StringIO())
    late = {"source": "worker", "version": "1", "factPhase": "response", "facts": {"pages": 4}}
    assert caller.post(f"{URL}/{scan['id']}/facts", late).json()["pricing"]["status"] == "priced"
    assert summary(caller) == (0, Decimal("0.077"), Decimal("0.077"))

    # A better price is found; what was computed by the old one is computed again, and nothing that stood before is gone.
    call_command("set_price", slug, "pages=0.002", "--service", "scanner", "--from", f"{timezone.now().year}-01-02", stdout=StringIO())
    call_command("reprice_transactions", "--tenant", slug, "--apply", stdout=StringIO())
    assert summary(caller) == (0, Decimal("0.073"), Decimal("0.073"))
    rows = caller.get(f"{URL}/{scan['id']}/costs").json()["costs"]
    assert [(Decimal(row["fiatAmount"]), row["isActive"]) for row in rows] == [
        (Decimal("0.01"), False),
        (Decimal("0.012"), False),
        (Decimal("0.008"), True),
    ]

    trace = caller.get(f"/v1/traces/{draft['traceId']}").json()
    assert (trace["transactionCount"], Decimal(trace["totalActiveCostUsd"])) == (3, Decimal("0.073"))
    [writer] = caller.get("/v1/analytics/leaderboards").json()["agents"]
    assert (writer["name"], writer["succeeded"], writer["failed"], Decimal(writer["total"])) == ("writer", 2, 1, Decimal("0.073"))
    call_command("verify_ledgers", "--ledger", "metering", "--tenant", slug, stdout=StringIO())
