"""What counts as spend: denied and cancelled transactions, late and doubled costs, sums of any size."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from kernel.ledger.identifiers import new_id
from metering import services
from metering.errors import NotStale
from metering.integrity import checks
from metering.models import Cost, Price, Transaction
from metering.services import amendments
from tests.metering.test_prices import LONG_AGO, add_facts, costs_of, price

URL = "/v1/transactions"
ESTIMATE = {"fiatAmount": "5", "fiatAssetSymbol": "USD", "isEstimate": True, "costDetails": {"why": 1.50}}
ACTUAL = {"fiatAmount": "2", "fiatAssetSymbol": "USD", "isEstimate": False}
LARGEST = "999999999999999999.999999999999999999"


def total(caller, transaction_id):
    return Decimal(caller.get(f"{URL}/{transaction_id}/costs").json()["totalActiveCostUsd"])


def spend(caller):
    rows = caller.get("/v1/analytics/summary").json()["data"]["spend"]
    return {row["fiatAssetSymbol"]: Decimal(row["total"]) for row in rows}


def inactive_agent(caller):
    services.create_agent(tenant_id=caller.tenant.id, actor="staff:1", request_id="", label="sleeper", status="inactive")
    return "sleeper"


@pytest.mark.parametrize("call", ["single", "batch"])
def test_a_denied_create_keeps_no_cost_as_spend_and_its_costs_stay_readable(caller, call):
    body = {"serviceName": "s", "agentName": inactive_agent(caller), "costs": [ESTIMATE, ACTUAL]}
    if call == "single":
        denied = caller.post(URL, body).json()
    else:
        caller.post(f"{URL}/batch", [body, {"serviceName": "s"}])
        denied = caller.get(URL, **{"filter[status]": "denied"}).json()["data"][0]
    assert (denied["status"], denied["costs"]) == ("denied", [])
    assert caller.read(denied["id"]) == denied
    assert total(caller, denied["id"]) == 0
    assert spend(caller) == {}
    [fact] = caller.get(f"{URL}/{denied['id']}/facts").json()["facts"]
    assert (fact["source"], fact["factPhase"], fact["pricing"]) == ("countinghouse", "request", "not_asked")
    assert fact["facts"] == {"costs": [ESTIMATE, ACTUAL | {"costDetails": None}]}
    assert not Cost.objects.exists()
    assert list(checks.find_violations()) == []


def test_cancelling_supersedes_estimates_by_zero_and_leaves_actual_costs(caller):
    created = caller.create(costs=[ESTIMATE, ESTIMATE, ACTUAL, ESTIMATE | {"fiatAssetSymbol": "EUR"}])
    assert spend(caller) == {"USD": 12, "EUR": 5}
    cancelled = caller.post(f"{URL}/{created['id']}/cancel", {"reason": "no more"}).json()
    rows = sorted((Decimal(row["fiatAmount"]), row["fiatAssetSymbol"], row["isEstimate"]) for row in cancelled["costs"] if row["isActive"])
    assert rows == [(0, "EUR", False), (0, "USD", False), (2, "USD", False)]
    zeros = [row for row in cancelled["costs"] if row["costDetails"] == {"source": "cancellation"}]
    assert len(zeros) == 2
    assert all(row["supersededAt"] == cancelled["cancelledAt"] for row in cancelled["costs"] if row["isEstimate"])
    assert total(caller, created["id"]) == 2
    assert spend(caller) == {"USD": 2, "EUR": 0}
    assert list(checks.find_violations()) == []


def test_closing_what_is_stale_supersedes_its_estimates_too(caller):
    created = caller.create(costs=[ESTIMATE])
    services.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", stale_after=timedelta(microseconds=1))
    call_command("close_stale_transactions", stdout=StringIO())
    assert total(caller, created["id"]) == 0
    assert spend(caller) == {"USD": 0}


def test_a_denial_after_a_wait_supersedes_estimates_by_zero(caller):
    context = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    services.set_policy(**context, authorizes_at_once=False)
    its = context | {"transaction_id": caller.create(costs=[ESTIMATE])["id"]}
    services.prepare_transaction(**its)
    row = services.deny_transaction(**its, reason="over budget").row
    assert [(cost["fiat_amount"], cost["is_active"], cost["cost_details"]) for cost in row["costs"]][1] == (0, True, '{"source": "denial"}')
    assert spend(caller) == {"USD": 0}
    assert list(checks.find_violations()) == []


def test_an_imported_cancelled_transaction_keeps_actual_costs_only(caller):
    costs = [
        {"fiat_amount": Decimal(amount), "fiat_asset_symbol": "USD", "is_estimate": is_estimate, "cost_details": None}
        for amount, is_estimate in ((5, True), (2, False))
    ]
    facts = {"service_name": "s", "costs": costs, "status": "cancelled"}
    context = {"tenant_id": caller.tenant.id, "actor": "command:test", "request_id": ""}
    recorded = services.record_transactions(**context, transactions=[facts, facts | {"idempotency_key": "k"}])
    for one in recorded:
        assert [cost["fiat_amount"] for cost in one.row["costs"]] == [2]
    assert spend(caller) == {"USD": 4}


@pytest.mark.parametrize("phase", ["partial", "error"])
def test_late_facts_never_replace_an_actual_cost(caller, phase):
    created = caller.create(costs=[ESTIMATE])
    add_facts(caller, created["id"], {"inputTokens": 1000, "outputTokens": 500})
    before = total(caller, created["id"])
    body = add_facts(caller, created["id"], {"inputTokens": 1, "outputTokens": 0}, phase=phase)
    assert body["pricing"]["status"] == "late"
    assert "costId" not in body
    assert total(caller, created["id"]) == before == Decimal("0.06")


def test_a_partial_report_never_replaces_an_actual_cost_of_the_caller(caller):
    created = caller.create(costs=[ACTUAL])
    assert add_facts(caller, created["id"], {"inputTokens": 1, "outputTokens": 0}, phase="partial")["pricing"]["status"] == "already_known"
    assert total(caller, created["id"]) == 2


def test_facts_supersede_every_estimate_of_their_currency_and_list_them(caller):
    costs = [ESTIMATE | {"fiatAmount": "0.015"}, ESTIMATE | {"fiatAmount": "0.02"}, ESTIMATE | {"fiatAssetSymbol": "EUR"}]
    created = caller.create(costs=costs)
    body = add_facts(caller, created["id"], {"inputTokens": 1000, "outputTokens": 250})
    assert sorted(row["fiatAmount"] for row in body["superseded"]) == ["0.015000000000000000", "0.020000000000000000"]
    assert {row["costId"] for row in body["superseded"]} == {row["id"] for row in created["costs"][:2]}
    assert total(caller, created["id"]) == Decimal("0.045")
    assert spend(caller) == {"USD": Decimal("0.045"), "EUR": 5}
    last = caller.get(f"{URL}/{created['id']}/costs").json()["costs"][-1]
    assert last["supersedesCostId"] in {row["costId"] for row in body["superseded"]}
    again = add_facts(caller, created["id"], {"inputTokens": 0, "outputTokens": 1000})
    assert [row["fiatAmount"] for row in again["superseded"]] == ["0.045000000000000000"]
    assert total(caller, created["id"]) == Decimal("0.06")
    assert list(checks.find_violations()) == []


def test_completing_lists_what_the_response_facts_superseded(caller):
    created = caller.create(costs=[ESTIMATE, ESTIMATE])
    facts = {"source": "s", "version": "1", "facts": {"inputTokens": 1000, "outputTokens": 500}}
    body = caller.post(f"{URL}/{created['id']}/complete", {"outcome": "success", "responseFacts": facts}).json()
    assert {row["costId"] for row in body["superseded"]} == {row["id"] for row in created["costs"]}
    assert body["pricing"] == {"status": "priced", "note": None, "read": ["inputTokens", "outputTokens"], "ignored": []}


def test_facts_that_were_partly_read_make_an_estimate(caller):
    created = caller.create(costs=[ESTIMATE])
    body = add_facts(caller, created["id"], {"usage": {"prompt_tokens": 1000, "completion_tokens": 500, "odd_cache_tokens": 9}})
    assert body["pricing"]["status"] == "partly_read"
    assert body["pricing"]["ignored"] == ["usage.odd_cache_tokens"]
    assert costs_of(caller, created["id"]) == [("5.", True, False), ("0.06", True, True)]


def test_an_own_price_bills_cached_tokens_once_as_the_documentation_says(caller):
    call_command("set_price", caller.tenant.slug, "inputTokens=2.50/1000000", "cachedTokens=1/1000000?", stdout=StringIO())
    created = caller.create()
    add_facts(caller, created["id"], {"inputTokens": 100_000, "cachedTokens": 90_000})
    cost = Cost.objects.get()
    # 10,000 at 2.50 a million and 90,000 at 1.
    assert cost.fiat_amount == Decimal("0.115")
    assert json.loads(cost.cost_details)["arithmetic"] == "10000 × 2.5 / 1000000 + 90000 × 1 / 1000000 = 0.115"
    assert list(checks.find_violations()) == []


def test_an_own_price_may_say_that_a_quantity_comes_on_top(caller):
    call_command("set_price", caller.tenant.slug, "inputTokens=1", "cachedTokens in none=1?", stdout=StringIO())
    add_facts(caller, caller.create()["id"], {"inputTokens": 10, "cachedTokens": 4})
    assert Cost.objects.get().fiat_amount == 14
    with pytest.raises(CommandError):
        call_command("set_price", caller.tenant.slug, "a in b=1", stdout=StringIO())


def test_more_parts_than_their_whole_are_no_quantity(caller):
    price(caller, ("inputTokens", "1"), ("cachedTokens", "1"))
    body = add_facts(caller, caller.create()["id"], {"inputTokens": 1, "cachedTokens": 2})
    assert body["pricing"]["status"] == "missing_quantity"


def test_sums_hold_more_than_the_largest_amounts_and_change_no_other_sum(caller):
    largest = [{"fiatAmount": LARGEST, "fiatAssetSymbol": "USD", "isEstimate": True}] * 100
    for _ in range(3):
        assert caller.post(URL, {"serviceName": "s", "costs": largest}).status_code == 201
    created = caller.post(URL, {"serviceName": "s", "costs": [ACTUAL]}).json()
    assert created["status"] == "authorized"
    everything = 300 * Decimal(LARGEST) + 2
    assert spend(caller) == {"USD": everything}
    assert caller.get("/v1/analytics/chart").status_code == caller.get("/v1/analytics/leaderboards").status_code == 200
    assert caller.get(f"/v1/traces/{created['traceId']}").status_code == 200
    call_command("rebuild_rollups", tenant=caller.tenant.slug, stdout=StringIO())
    assert spend(caller) == {"USD": everything}
    assert list(checks.find_violations()) == []


def test_what_was_authorized_again_before_the_lock_is_not_closed_as_stale(caller):
    transaction_id = caller.create()["id"]
    move = {"to_status": "cancelled", "reason": "", "stale_after": "3600 seconds"}
    item = amendments.make_amendment(actor="job:x", request_id="", transaction_id=transaction_id, stated={}, move=move)
    [outcome] = amendments.amend([item], tenant_id=caller.tenant.id)
    assert isinstance(outcome, NotStale)
    assert Transaction.objects.get().status == "authorized"
    Transaction.objects.update(authorized_at=timezone.now() - timedelta(hours=2))
    amendments.amend_one(item, tenant_id=caller.tenant.id)
    assert Transaction.objects.get().status == "cancelled"


def test_a_repricing_that_changes_the_currency_alone_is_a_change(caller):
    first = price(caller, ("n", "1"))
    created = caller.create()
    add_facts(caller, created["id"], {"n": 2})
    Price.objects.filter(id=first).update(valid_to=LONG_AGO + timedelta(days=1))
    price(caller, ("n", "1"), valid_from=LONG_AGO + timedelta(days=1), currency="EUR")
    call_command("reprice_transactions", apply=True, stdout=(shown := StringIO()))
    assert "1 differ" in shown.getvalue()
    assert [(cost.fiat_amount, cost.fiat_asset_symbol) for cost in Cost.objects.filter(is_active=True)] == [(2, "EUR")]
    assert spend(caller) == {"USD": 0, "EUR": 2} or spend(caller) == {"EUR": 2}


def test_a_price_is_no_longer_valid_at_the_instant_of_its_end(caller):
    instant = datetime(2026, 3, 1, tzinfo=UTC)
    first = price(caller, ("n", "1"))
    Price.objects.filter(id=first).update(valid_to=instant)
    context = {"tenant_id": caller.tenant.id, "actor": "command:test", "request_id": ""}
    for moment, expected in ((instant - timedelta(microseconds=1), "priced"), (instant, "unknown_model")):
        row = services.record_transaction(**context, service_name="s", resource_name="mine", action_name="a", occurred_at=moment).row
        assert add_facts(caller, str(row["id"]), {"n": 1})["pricing"]["status"] == expected


def test_undoing_a_repricing_that_never_was_is_an_error(caller):
    with pytest.raises(CommandError, match="has posted anything"):
        call_command("reprice_transactions", undo=str(new_id()), apply=True, stdout=StringIO())


def test_a_default_stated_in_a_retry_is_no_difference(caller):
    first = caller.post(URL, {"serviceName": "s", "agentName": "a"}, **{"Idempotency-Key": "k"}).json()
    stated = {"metadata": {}, "qualifiers": {}, "costs": [], "traceId": first["traceId"], "agentId": first["agentId"], "agentName": "a"}
    again = caller.post(URL, {"serviceName": "s"} | stated, **{"Idempotency-Key": "k"})
    assert (again.status_code, again["Idempotent-Replayed"], again.json()["id"]) == (201, "true", first["id"])
    other = caller.post(URL, {"serviceName": "s", "agentName": "a", "metadata": {"a": 1}}, **{"Idempotency-Key": "k"})
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("parameter", "nearest"),
    [("filter[state]", "filter[status]"), ("filter[outcome]", None), ("filter[model]", None), ("flags", None), ("page[size]", None)],
)
def test_an_unknown_parameter_of_the_list_is_an_error(caller, parameter, nearest):
    reply = caller.get(URL, **{parameter: "x"})
    assert reply.status_code == 400
    assert parameter in reply.json()["message"][0]
    assert nearest is None or nearest in reply.json()["message"][0]


def test_an_unknown_field_of_a_create_is_ignored_and_named(caller):
    reply = caller.post(URL, {"serviceName": "s", "agentname": "x", "costs": []})
    assert reply.status_code == 201
    assert "agentname" in reply["Ignored-Fields"]


def test_a_list_up_to_a_moment_says_until_when_it_is_final(caller):
    caller.create()
    reply = caller.get(URL, **{"filter[to_date]": timezone.now().isoformat()})
    assert reply.status_code == 200
    assert reply["Final-Until"].endswith("Z")
    assert "Final-Until" not in caller.get(URL)


def test_the_chart_of_all_goes_by_the_month_once_there_are_too_many_days(caller):
    context = {"tenant_id": caller.tenant.id, "actor": "command:test", "request_id": ""}
    cost = {"fiat_amount": Decimal(3), "fiat_asset_symbol": "USD", "is_estimate": False}
    long_ago = timezone.now() - timedelta(days=1600)
    services.record_transaction(**context, service_name="s", occurred_at=long_ago, costs=[cost])
    caller.create(costs=[ACTUAL])
    body = caller.get("/v1/analytics/chart", **{"filter[time_period]": "all"}).json()
    assert body["meta"]["interval"] == "month"
    assert (body["data"][0]["transactions"], body["data"][-1]["transactions"]) == (1, 1)
    assert sum(point["transactions"] for point in body["data"]) == 2
    assert 52 <= len(body["data"]) <= 55
    refused = caller.get("/v1/analytics/chart", **{"filter[time_period]": "all", "interval": "day"})
    assert refused.status_code == 400
