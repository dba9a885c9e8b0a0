"""Metered transactions and their costs from a file: what the plan says is what happens, once, and it can be taken back."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError

from kernel.backfills.models import BackfillReject, BackfillRun
from metering.models import Cost, Rollup, Transaction
from metering.services import record_cost, record_transaction

pytestmark = pytest.mark.django_db
COMMAND = "backfill_metered_transactions"
DAY = "2026-01-{:02}T12:00:00Z"
FIRST = '{"fiatAmount":"0.05","fiatAssetSymbol":"USD","isEstimate":true,"costDetails":{"x":2.50}}'
TWO = f'[{FIRST},{{"fiatAmount":0.10,"fiatAssetSymbol":"EUR","isEstimate":false}}]'


def row(key, day=1, **more):
    facts = {"idempotency_key": key, "service_name": "search", "action_name": "query", "resource_name": "/v1", "outcome": "success"}
    return facts | {"occurred_at": DAY.format(day)} | more


def spent(tenant):
    sums = {}
    for currency, amount in Rollup.objects.filter(tenant=tenant, grain="day").values_list("currency", "amount"):
        sums[currency] = sums.get(currency, 0) + amount
    return sums


def test_rows_become_transactions_with_their_costs_and_name_their_run(bring, write, tenant):
    run = bring(
        COMMAND, write([row("a", costs=TWO, agent_name="robot", metadata='{"n": 1.50}'), row("b", fiat_amount="1", status="completed")])
    )
    assert (run.counts, run.sums) == ({"posted": 2}, {"EUR": "0.10", "USD": "1.05"})
    assert run.plan["sums"] == run.sums
    first, second = Transaction.objects.filter(tenant=tenant).order_by("id")
    assert (first.request_id, first.actor) == (f"run:{run.id}", f"command:{COMMAND}:{run.id}")
    assert (first.status, first.outcome, first.occurred_at, first.metadata) == (
        *("completed", "success", datetime(2026, 1, 1, 12, tzinfo=UTC), '{"n": 1.50}'),
    )
    costs = (
        Cost.objects.filter(tenant=tenant)
        .order_by("fiat_amount")
        .values_list("fiat_amount", "fiat_asset_symbol", "is_estimate", "cost_details")
    )
    assert list(costs) == [
        (Decimal("0.05"), "USD", True, '{"x":2.50}'),
        (Decimal("0.10"), "EUR", False, None),
        (Decimal(1), "USD", False, None),
    ]
    assert spent(tenant) == {"EUR": Decimal("0.10"), "USD": Decimal("1.05")}
    assert second.agent_id is None


def test_the_same_file_twice_and_the_same_call_over_the_api_post_nothing_twice(bring, write, tenant, context):
    facts = {"service_name": "search", "action_name": "query", "resource_name": "/v1", "status": "completed", "outcome": "success"}
    costs = [{"fiat_amount": Decimal("0.050"), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": '{"x":2.50}'}]
    record_transaction(**context, **facts, idempotency_key="a", occurred_at=datetime(2026, 1, 1, 12, tzinfo=UTC), costs=costs)
    run = bring(COMMAND, write([row("a", costs=f"[{FIRST}]"), row("a", costs=f"[{FIRST}]", metadata='{"n":1}'), row("b")]))
    assert run.plan["counts"] == run.counts == {"already_there": 1, "conflict": 1, "posted": 1}
    assert "another metadata" in BackfillReject.objects.get(run_id=run.id).why


def test_an_impossible_row_is_reported_by_column(bring, write):
    rows = [
        row("a", service_name=""),
        row("b", costs='[{"fiatAmount":"1e5","fiatAssetSymbol":"USD","isEstimate":true}]'),
        row("c", costs='[{"fiatAmount":"1","fiatAssetSymbol":"USD"}]'),
        row("d", fiat_amount="-1"),
        row("e", fiat_amount="1", costs=TWO),
        row("f", outcome="", status="completed"),
        row("g", agent_id="00000000-0000-4000-8000-000000000000"),
        row(""),
    ]
    run = bring(COMMAND, write(rows))
    assert run.plan["counts"] == run.counts == {"invalid": 7, "invalid_value": 1}
    assert [(reject.column, reject.why.partition(":")[2][:40]) for reject in BackfillReject.objects.filter(run_id=run.id)] == [
        ("service_name", " is required where the row has no reques"),
        ("costs", " cost 1: must be a plain decimal such as"),
        ("costs", " is no list of costs: Object missing req"),
        ("fiat_amount", " must not be negative, as '-1' is"),
        ("fiat_amount", " and costs: give one of the two"),
        ("outcome", " belongs to a completed transaction, and"),
        ("", BackfillReject.objects.get(run_id=run.id, code="invalid_value").why.partition(":")[2][:40]),
        ("idempotency_key", " is required where the row has no id of "),
    ]


def test_undo_takes_the_costs_back_by_superseding_rows_and_cancels_what_is_open(bring, call, write, tenant):
    run = bring(COMMAND, write([row("a", costs=TWO), row("b", outcome="", status="authorized", fiat_amount="3"), row("c")]))
    _, code = call(COMMAND, "--undo", run.id, "--batch-size", 1)
    assert code == 0
    run.refresh_from_db()
    assert (run.state, run.undone_rows) == ("undone", 2)
    assert set(spent(tenant).values()) == {0}
    assert {cost.fiat_amount for cost in Cost.objects.filter(tenant=tenant, is_active=True)} == {0}
    zero = Cost.objects.filter(tenant=tenant, request_id=f"undo:{run.id}").first()
    assert zero.cost_details == f'{{"takesBack":"run:{run.id}"}}'
    assert Cost.objects.filter(tenant=tenant).count() == 6
    assert sorted(Transaction.objects.filter(tenant=tenant).values_list("status", flat=True)) == ["cancelled", "completed", "completed"]


def test_undo_is_refused_with_a_list_where_others_added_costs(bring, call, write, tenant, context):
    run = bring(COMMAND, write([row("a", costs=TWO)]))
    transaction = Transaction.objects.get(tenant=tenant)
    record_cost(**context, transaction_id=transaction.id, fiat_amount=Decimal(1), fiat_asset_symbol="USD", is_estimate=False)
    with pytest.raises(CommandError, match=f"transaction {transaction.id}: has 1 later cost") as refused:
        call(COMMAND, "--undo", run.id)
    assert refused.value.returncode == 3
    assert spent(tenant)["USD"] == Decimal("1.05")


def test_costs_that_superseded_others_come_in_order(bring, write, tenant, tmp_path):
    first, second = "018f0000-0000-7000-8000-000000000001", "018f0000-0000-7000-8000-000000000002"
    costs = [
        {"fiatAmount": "5", "fiatAssetSymbol": "USD", "isEstimate": True, "id": first},
        {"fiatAmount": "4", "fiatAssetSymbol": "USD", "isEstimate": False, "id": second, "supersedes": first},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row("a", costs=costs)) + "\n")
    run = bring(COMMAND, path)
    assert run.plan["sums"] == run.sums == {"USD": "4"}
    assert [(str(cost.id), cost.is_active) for cost in Cost.objects.filter(tenant=tenant).order_by("id")] == [
        (first, False),
        (second, True),
    ]
    assert spent(tenant) == {"USD": 4}


def test_history_before_the_newest_hour_is_shown_as_back_dated(call, write, tenant, context):
    record_transaction(**context, service_name="a", action_name="b", resource_name="c")
    call(COMMAND, "acme", write([row("a"), row("b", 2)]), "--plan")
    assert BackfillRun.objects.get().plan["back_dated"]["rows"] == 2


def test_a_cost_that_names_its_amount_twice_is_refused(bring, tmp_path, tenant):
    path = tmp_path / "history.jsonl"
    cost = '{"fiatAmount": "100", "fiatAssetSymbol": "USD", "isEstimate": false, "fiatAmount": "1"}'
    path.write_text(f'{{"idempotency_key": "a", "service_name": "s", "occurred_at": "2026-01-01", "costs": [{cost}]}}\n')
    run = bring("backfill_metered_transactions", path)
    assert run.counts == {"invalid": 1}
    assert run.rejects.get().why == "costs: cost 1: names fiatAmount more than once"
