"""What an undone run had posted comes in again under keys of its own, counts once, and the old key still finds its first row."""

from decimal import Decimal

import pytest
from django.core.management import CommandError

from billing.models import Transaction, Wallet
from credits.models import CreditTransaction, Grant
from kernel.backfills.models import BackfillReject, BackfillRun
from metering.models import Cost, Fact
from metering.models import Transaction as MeteredTransaction
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
BILLING, METERING = "backfill_billing_transactions", "backfill_metered_transactions"
GRANTS, DRAWS = "backfill_credit_grants", "backfill_credit_transactions"


def row(number, kind="topup", amount="10", **more):
    return {"reference_id": f"r{number}", "type": kind, "amount": amount, "occurred_at": f"2026-01-{number:02}T00:00:00Z"} | more


def balance():
    return Wallet.objects.get(currency="USD").balance


def references():
    return list(Transaction.objects.filter(request_id__startswith="run:").order_by("id").values_list("reference_id", flat=True))


def test_rows_of_an_undone_run_are_said_to_be_taken_back(call, bring, write, tenant):
    run = bring(BILLING, write([row(1), row(2, "usage", "4")]))
    call(BILLING, "--undo", run.id)
    again = bring(BILLING, write([row(1), row(2, "usage", "5"), row(3)], "mended.csv"))
    assert again.plan["counts"] == again.counts == {"taken_back": 2, "posted": 1}
    assert {reject.why for reject in BackfillReject.objects.filter(run_id=again.id)} == {
        f"is there, but taken back by undo:{run.id}: plan the file with --again {run.id} to bring it in under another key"
    }


def test_a_mended_file_comes_in_again_once_under_new_keys(call, bring, write, tenant, context):
    from billing import services

    given = [row(1), row(2, "usage", "4"), row(3, "usage", "1", reverses="r2", reason_code="other")]
    run = bring(BILLING, write(given))
    call(BILLING, "--undo", run.id)
    assert balance() == 0
    mended = write([row(1, amount="11", metadata='{"a":1}'), *given[1:], row(4)], "mended.csv")
    again = bring(BILLING, mended, "--again", run.id)
    assert again.plan["counts"] == again.counts == {"posted": 4}
    assert (balance(), references()[3:]) == (Decimal(18), ["r1~2", "r2~2", "r3~2", "r4"])
    first = Transaction.objects.get(reference_id="r1~2")
    assert first.metadata == f'{{"a":1,"again":{{"key":"r1","run":"{run.id}"}}}}'
    assert Transaction.objects.get(reference_id="r3~2").reverses.reference_id == "r2~2"
    # The same file again posts nothing, with or without --again; a repeated call of the API finds the first row.
    assert bring(BILLING, mended, "--again", run.id).counts == {"already_there": 4}
    replayed = services.record_transaction(
        **context, amount=Decimal(4), type="usage", reference_id="r2", occurred_at=Transaction.objects.get(reference_id="r2").occurred_at
    )
    assert (replayed.replayed, balance()) == (True, Decimal(18))


def test_a_second_undo_leads_to_third_keys(call, bring, write, tenant):
    path = write([row(1), row(2)])
    run = bring(BILLING, path)
    call(BILLING, "--undo", run.id)
    second = bring(BILLING, path, "--again", run.id)
    # By the first run again: the rows stand under their second keys.
    assert bring(BILLING, path, "--again", run.id).counts == {"already_there": 2}
    call(BILLING, "--undo", second.id)
    third = bring(BILLING, path, "--again", second.id)
    assert third.counts == third.plan["counts"] == {"posted": 2}
    assert references() == ["r1", "r2", "r1~2", "r2~2", "r1~3", "r2~3"]
    assert bring(BILLING, path, "--again", second.id).counts == {"already_there": 2}
    assert balance() == 20


def test_metered_transactions_and_their_costs_come_in_again(call, bring, write, tenant):
    base = {"service_name": "openai", "occurred_at": "2026-01-01T00:00:00Z", "outcome": "success"}
    path = write([base | {"idempotency_key": f"k{number}", "fiat_amount": "2"} for number in (1, 2)])
    run = bring(METERING, path)
    call(METERING, "--undo", run.id)
    assert bring(METERING, path).counts == {"taken_back": 2}
    again = bring(METERING, path, "--again", run.id)
    assert again.counts == again.plan["counts"] == {"posted": 2}
    made = MeteredTransaction.objects.get(idempotency_key="k1~2")
    assert made.metadata == f'{{"again":{{"key":"k1","run":"{run.id}"}}}}'
    assert sum(cost.fiat_amount for cost in Cost.objects.filter(is_active=True)) == 4


def test_grants_and_what_was_drawn_on_them_come_in_again(call, bring, write, tenant):
    grant = {
        "idempotency_key": "g1",
        "customer_id": "c",
        "name": "x",
        "unit_type": "CURRENCY",
        "amount": "9",
        "effective_date": "2026-01-01",
    }
    draw = {"idempotency_key": "d1", "grant_key": "g1", "type": "DEBIT", "amount": "2", "occurred_at": "2026-01-02T00:00:00Z"}
    grants, draws = write([grant], "grants.csv"), write([draw], "draws.csv")
    first = bring(GRANTS, grants)
    call(GRANTS, "--undo", first.id)
    assert bring(GRANTS, grants, "--again", first.id).counts == {"posted": 1}
    # The file of draws still names the grant by its first key.
    drawn = bring(DRAWS, draws)
    assert CreditTransaction.objects.get(idempotency_key="d1").grant.idempotency_key == "g1~2"
    call(DRAWS, "--undo", drawn.id)
    again = bring(DRAWS, draws, "--again", drawn.id)
    assert (again.plan["counts"], again.counts) == ({"posted": 1}, {"posted": 1})
    assert Grant.objects.get(idempotency_key="g1~2").balance == 7
    assert CreditTransaction.objects.get(idempotency_key="d1~2").grant.idempotency_key == "g1~2"


def test_only_an_undone_run_of_the_tenant_is_brought_in_again(call, bring, write, tenant):
    from tests.factories import TenantFactory

    path = write([row(1)])
    run = bring(BILLING, path)
    with pytest.raises(CommandError, match=f"Run {run.id} is finished: only a run that was taken back with --undo"):
        call(BILLING, "acme", path, "--plan", "--again", run.id)
    call(BILLING, "--undo", run.id)
    TenantFactory(slug="other")
    for slug, command in (("other", BILLING), ("acme", METERING)):
        with pytest.raises(CommandError, match=f"There is no run {run.id}"):
            call(command, slug, path, "--plan", "--again", run.id)
    assert BackfillRun.objects.count() == 1


def test_our_own_export_comes_in_again_with_the_parts_of_its_rows(call, bring, tenant, context, tmp_path):
    from metering.services import record_cost, record_fact, record_transaction

    names = {"service_name": "model", "action_name": "a", "resource_name": "r"}
    estimate = {"fiat_amount": Decimal(5), "fiat_asset_symbol": "USD", "is_estimate": True}
    first = record_transaction(**context, **names, costs=[estimate], idempotency_key="call-1").row
    record_fact(
        **context, transaction_id=first["id"], facts='{"tokens":5}', source="s", version="1", fact_phase="response", idempotency_key="f"
    )
    [cost] = Cost.objects.all()
    record_cost(
        **context,
        transaction_id=first["id"],
        fiat_amount=Decimal(4),
        fiat_asset_symbol="USD",
        is_estimate=False,
        supersedes_cost_id=cost.id,
        idempotency_key="c",
    )
    path = tmp_path / "export.jsonl"
    call("export_ledger", "acme", "metered-transactions", "--format", "jsonl", "--output", path)
    TenantFactory(slug="other")
    run = bring(METERING, path, slug="other")
    call(METERING, "--undo", run.id)
    again = bring(METERING, path, "--again", run.id, slug="other")
    assert again.plan["counts"] == again.counts == {"posted": 1}, list(BackfillReject.objects.values_list("why", flat=True))
    row = MeteredTransaction.objects.get(idempotency_key="call-1~2")
    costs = Cost.objects.filter(transaction_id=row.id, tenant_id=row.tenant_id).order_by("created_at", "id")
    # The actual cost supersedes the estimate beside it, not that of the row which was taken back.
    assert [(one.fiat_amount, one.is_active, one.supersedes_id) for one in costs] == [(5, False, None), (4, True, costs[0].id)]
    assert Fact.objects.get(transaction_id=row.id, tenant_id=row.tenant_id).idempotency_key == "f~2"
    assert bring(METERING, path, "--again", run.id, slug="other").counts == {"already_there": 1}
