"""Grants and their transactions from files: what the plan says is what happens, once, and it can be taken back."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from credits import services
from credits.models import CreditTransaction, Grant
from kernel.backfills.models import BackfillReject, BackfillRun
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
GRANTS, TRANSACTIONS = "backfill_credit_grants", "backfill_credit_transactions"
# Each example is two commands on a real database: shrinking one would take minutes.
NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
DAY = "2026-01-{:02}T12:00:00Z"


def grant(key, amount="100", **more):
    facts = {"idempotency_key": key, "customer_id": "maria", "name": "Start", "unit_type": "CURRENCY", "amount": amount}
    return facts | {"effective_date": "2026-01-01"} | more


def entry(key, kind="DEBIT", amount="10", day=5, grant_key="g1", **more):
    return {"idempotency_key": key, "grant_key": grant_key, "type": kind, "amount": amount, "occurred_at": DAY.format(day)} | more


@pytest.fixture
def granted(bring, write):
    return bring(GRANTS, write([grant("g1")], "grants.csv"))


def balances(tenant):
    return dict(Grant.objects.filter(tenant=tenant).values_list("idempotency_key", "balance"))


def test_grants_come_with_their_opening_and_name_their_run(bring, write, tenant):
    metric = grant("g2", "5", unit_type="METRIC", metric_id="tokens", expiry_date="2026-02-01", category="promotional", priority="7")
    run = bring(GRANTS, write([grant("g1", cost_of_credit="80"), metric]))
    assert (run.counts, run.sums) == ({"posted": 2}, {"USD": "100", "tokens": "5"})
    assert [account["account"] for account in run.plan["accounts"]] == ["customer maria", "customer maria"]
    second = Grant.objects.get(tenant=tenant, idempotency_key="g2")
    assert (second.metric_id, second.expiry_date, second.category, second.priority) == ("tokens", date(2026, 2, 1), "promotional", 7)
    opening = CreditTransaction.objects.get(tenant=tenant, grant=second)
    assert (opening.kind, opening.amount, opening.request_id, opening.actor) == (
        *("opening", 5, f"run:{run.id}", f"command:{GRANTS}:{run.id}"),
    )
    assert bring(GRANTS, write([grant("g1", cost_of_credit="80"), metric])).counts == {"already_there": 2}
    assert bring(GRANTS, write([grant("g1", "101", cost_of_credit="80")])).counts == {"conflict": 1}


def test_an_impossible_grant_is_reported_by_column(bring, write):
    rows = [
        grant("a", unit_type="METRIC"),
        grant("b", expiry_date="2025-12-31"),
        grant("c", cost_of_credit="-1"),
        grant("d", "0"),
        grant(""),
        grant("e", priority="101"),
    ]
    run = bring(GRANTS, write(rows))
    assert run.counts == {"invalid": 6}
    assert [reject.column for reject in BackfillReject.objects.filter(run_id=run.id)] == [
        *("metric_id", "expiry_date", "cost_of_credit", "amount", "idempotency_key", "priority"),
    ]


@pytest.mark.usefixtures("granted")
def test_the_plan_reports_row_by_row_what_runs_short(bring, write, tenant):
    rows = [
        entry("a", amount="70"),
        entry("b", amount="40"),
        entry("c", amount="30", invoice_id="i1"),
        entry("d", "CREDIT", "31", invoice_id="i1"),
        entry("e", "CREDIT", "30", invoice_id="i1"),
        entry("f", day=1, grant_key="nobody"),
        entry("g", occurred_at="2025-12-31T00:00:00Z"),
    ]
    run = bring(TRANSACTIONS, write(rows))
    expected = {"posted": 3, "insufficient_credit": 1, "more_than_taken": 1, "grant_not_found": 1, "grant_not_yet_effective": 1}
    assert run.plan["counts"] == run.counts == expected
    assert balances(tenant) == {"g1": 30}
    assert run.plan["accounts"][0]["refused"] == 2
    assert (Decimal(run.plan["accounts"][0]["before"]), Decimal(run.plan["accounts"][0]["after"])) == (100, 30)


@pytest.mark.usefixtures("granted")
def test_what_came_through_the_api_is_already_there(bring, write, tenant, context):
    known = Grant.objects.get(tenant=tenant)
    facts = {"grant_id": known.id, "type": "DEBIT", "amount": Decimal("10.0"), "occurred_at": datetime(2026, 1, 5, 12, tzinfo=UTC)}
    services.record_transaction(**context, **facts, idempotency_key="a")
    run = bring(TRANSACTIONS, write([entry("a"), entry("a", amount="11")]))
    assert run.plan["counts"] == run.counts == {"already_there": 1, "conflict": 1}


def test_undoing_grants_deletes_them_by_entries_and_is_refused_once_they_are_drawn_on(bring, call, write, tenant, granted):
    brought = bring(TRANSACTIONS, write([entry("a")]))
    with pytest.raises(CommandError, match="has 1 later entries, balance 90") as refused:
        call(GRANTS, "--undo", granted.id)
    assert refused.value.returncode == 3
    call(TRANSACTIONS, "--undo", brought.id)
    assert balances(tenant) == {"g1": 100}
    # A reversal is an entry too: the grant has a history now and stays.
    with pytest.raises(CommandError, match="has 2 later entries"):
        call(GRANTS, "--undo", granted.id)
    fresh = bring(GRANTS, write([grant("g9")]))
    call(GRANTS, "--undo", fresh.id)
    deleted = Grant.objects.get(tenant=tenant, idempotency_key="g9")
    assert (deleted.status, deleted.balance) == ("deleted", 0)
    assert list(CreditTransaction.objects.filter(grant=deleted).order_by("entry_number").values_list("kind", "request_id")) == [
        *(("opening", fresh.request_id), ("deletion", f"undo:{fresh.id}")),
    ]


@pytest.mark.usefixtures("granted")
def test_undoing_credits_is_refused_once_they_are_spent(bring, call, write, tenant):
    brought = bring(TRANSACTIONS, write([entry("a", "CREDIT", "50"), entry("b", "DEBIT", "20")]))
    later = bring(TRANSACTIONS, write([entry("c", "DEBIT", "110", day=6)], "later.csv"))
    with pytest.raises(CommandError, match=r"has been drawn on since: 10\.0* too little is left"):
        call(TRANSACTIONS, "--undo", brought.id)
    call(TRANSACTIONS, "--undo", later.id)
    call(TRANSACTIONS, "--undo", brought.id)
    assert balances(tenant) == {"g1": 100}
    reversals = CreditTransaction.objects.filter(tenant=tenant, request_id=f"undo:{brought.id}")
    assert [(one.type, one.amount) for one in reversals.order_by("entry_number")] == [("CREDIT", 20), ("DEBIT", 50)]


rows_of_grants = st.lists(
    st.fixed_dictionaries(
        {
            "idempotency_key": st.sampled_from("abcdef"),
            "grant_key": st.sampled_from(["g1", "g2", "none"]),
            "type": st.sampled_from(["DEBIT", "CREDIT"]),
            "amount": st.sampled_from(["1", "4", "6", "-1"]),
            "occurred_at": st.sampled_from([DAY.format(2), DAY.format(9), DAY.format(20)]),
        },
        # Kinds that depend on the grant's dates, and kinds that don't. The row refuses one that doesn't go with its type.
        optional={"invoice_id": st.sampled_from(["i1", "i2"]), "kind": st.sampled_from(["debit", "credit", "consumption", "capture"])},
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=NO_SHRINKING)
@given(before=rows_of_grants, after=rows_of_grants)
def test_whatever_is_in_the_file_and_the_book_the_plan_says_what_happens(call, write, before, after):
    with transaction.atomic():
        tenant = TenantFactory()
        limited = grant("g2", "8", effective_date="2026-01-05", expiry_date="2026-01-10")
        call(
            GRANTS,
            tenant.slug,
            write([grant("g1", "10"), limited]),
            "--plan",
        )
        call(GRANTS, "--apply", BackfillRun.objects.get(tenant=tenant).id)
        for number, rows in enumerate((before, after)):
            call(TRANSACTIONS, tenant.slug, write(rows, f"{number}.csv"), "--plan")
            run = BackfillRun.objects.filter(tenant=tenant).order_by("-id").first()
            call(TRANSACTIONS, "--apply", run.id, "--batch-size", 4)
            run.refresh_from_db()
            assert run.plan["counts"] == run.counts
            ids = {
                f"grant {identifier}": balance for identifier, balance in Grant.objects.filter(tenant=tenant).values_list("id", "balance")
            }
            assert all(ids[account["account"]] == Decimal(account["after"]) for account in run.plan["accounts"])
        transaction.set_rollback(True)


@pytest.mark.usefixtures("granted")
def test_a_reversal_is_planned_against_what_is_left_of_its_original(bring, write, tenant):
    bring(TRANSACTIONS, write([entry("a", amount="40")]))
    original = CreditTransaction.objects.get(tenant=tenant, idempotency_key="a")
    reversal = {"kind": "reversal", "reverses": str(original.id)}
    run = bring(TRANSACTIONS, write([entry("b", "CREDIT", "40", day=6) | reversal], "b.csv"))
    assert run.plan["counts"] == run.counts == {"posted": 1}
    again = bring(TRANSACTIONS, write([entry("c", "CREDIT", "40", day=6) | reversal], "c.csv"))
    assert again.plan["counts"] == again.counts == {"already_reversed": 1}
    assert balances(tenant) == {"g1": 100}
