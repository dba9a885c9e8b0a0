"""A wallet's history from a file: what the plan says is what happens, once, and it can be taken back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from billing import services
from billing.imports.refusals import wallet_refusal
from billing.imports.transactions import wallet_account
from billing.models import Transaction, TransactionType, Wallet
from kernel.backfills.models import BackfillReject, BackfillRun
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
COMMAND = "backfill_billing_transactions"
# Each example is two commands on a real database: shrinking one would take minutes.
NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
DAY = "2026-01-{:02}T00:00:00Z"


def row(number, kind="topup", amount="10", **more):
    return {"reference_id": f"r{number}", "type": kind, "amount": amount, "occurred_at": DAY.format(number)} | more


def balances(tenant):
    return dict(Wallet.objects.filter(tenant=tenant).values_list("currency", "balance"))


def test_rows_become_entries_that_name_their_run(bring, write, tenant):
    path = write([row(1, metadata='{"a": 2.50}', agent_id="robot"), row(2, "usage", "4"), row(3, "adjustment", "-1", currency="EUR")])
    run = bring(COMMAND, path)
    assert (run.state, run.counts, run.sums) == ("finished", {"posted": 3}, {"EUR": "-1", "USD": "6"})
    first, second, third = Transaction.objects.filter(tenant=tenant).order_by("id")
    assert (first.request_id, first.actor) == (f"run:{run.id}", f"command:{COMMAND}:{run.id}")
    assert (first.metadata, first.agent_id, first.occurred_at) == ('{"a": 2.50}', "robot", datetime(2026, 1, 1, tzinfo=UTC))
    assert [(entry.effect, entry.balance_after, entry.entry_number) for entry in (first, second, third)] == [
        (10, 10, 1),
        (-4, 6, 2),
        (-1, -1, 1),
    ]
    assert balances(tenant) == {"USD": 6, "EUR": -1}


def test_a_plan_shows_each_wallet_before_and_after_and_what_is_back_dated(call, write, tenant, context):
    services.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="now")
    call(COMMAND, "acme", write([row(1), row(2, "usage", "4")]), "--plan")
    plan = BackfillRun.objects.get().plan
    assert plan["accounts"] == [
        {"account": "wallet USD", "unit": "USD", "before": "5.000000000000000000", "after": "11.000000000000000000"}
        | {"change": "6.000000000000000000", "rows": 2, "refused": 0}
    ]
    assert plan["back_dated"] == {"rows": 2, "first": "2026-01-01T00:00:00+00:00", "last": "2026-01-02T00:00:00+00:00"}
    assert [(total["type"], total["amount"]) for total in plan["by_type"]] == [("topup", "10"), ("usage", "-4")]
    assert balances(tenant) == {"USD": 5}


def test_what_came_through_the_api_with_the_same_facts_is_already_there(bring, write, tenant, context):
    services.record_transaction(
        **context,
        amount=Decimal("10.0"),
        type="topup",
        reference_id="r1",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        metadata='{"b":1, "a": 2.5}',
    )
    run = bring(COMMAND, write([row(1, metadata='{"a":2.5,"b":1}'), row(1, metadata='{"a":2.50,"b":1}')]))
    assert run.plan["counts"] == run.counts == {"already_there": 1, "conflict": 1}
    assert "another metadata" in BackfillReject.objects.get(run_id=run.id).why


def test_the_plan_reports_rows_below_a_floor_of_unknown_types_and_with_negative_magnitudes(bring, write, tenant, context):
    services.set_policy(**context, strict_types=True, default_floor=Decimal(0))
    rows = [row(1), row(2, "usage", "11"), row(3, "odd", "1"), row(4, "usage", "-1"), row(5, "usage", "10")]
    run = bring(COMMAND, write(rows))
    assert run.plan["counts"] == run.counts == {"posted": 2, "insufficient": 1, "unknown_type": 1, "invalid_value": 1}
    assert balances(tenant) == {"USD": 0}


def test_reversals_come_in_whole_in_part_and_refused(bring, write, tenant):
    reversal = {"reverses": "r1", "reason_code": "other"}
    rows = [
        row(1, "usage", "10"),
        row(2, "usage", "4", **reversal),
        row(3, "usage", "6", **reversal),
        row(4, "usage", "1", reverses="nothing", reason_code="other"),
    ]
    run = bring(COMMAND, write(rows))
    assert run.counts == run.plan["counts"] == {"posted": 3, "not_found": 1}
    original = Transaction.objects.get(tenant=tenant, reference_id="r1")
    assert (original.reversed_amount, original.reversed_by.reference_id) == (10, "r3")
    assert balances(tenant) == {"USD": 0}
    again = bring(COMMAND, write([row(5, "usage", "1", **reversal)], "again.csv"))
    assert again.counts == again.plan["counts"] == {"already_reversed": 1}


def test_a_reversal_without_a_reason_is_no_row(call, write, tenant):
    _, code = call(COMMAND, "acme", write([row(1, reverses="r0")]), "--plan")
    assert code == 1
    assert BackfillRun.objects.get().plan["examples"][0]["why"] == "reason_code: belongs to a reversal, and a reversal needs it"


def test_undo_reverses_each_entry_by_name(bring, call, write, tenant):
    run = bring(COMMAND, write([row(1), row(2, "usage", "4"), row(3, "refund", "0"), row(4, currency="EUR")]))
    _, code = call(COMMAND, "--undo", run.id, "--batch-size", 3)
    assert code == 0
    run.refresh_from_db()
    assert (run.state, run.undone_rows) == ("undone", 4)
    assert balances(tenant) == {"USD": 0, "EUR": 0}
    brought = Transaction.objects.filter(tenant=tenant, request_id=run.request_id)
    assert {entry.reversed_by.request_id for entry in brought} == {f"undo:{run.id}"}
    assert {entry.reversed_by.reason for entry in brought} == {f"taken back with the whole of run:{run.id}"}
    assert Transaction.objects.filter(tenant=tenant).count() == 8


def test_undo_is_refused_where_a_wallet_would_break_its_floor(bring, call, write, tenant, context):
    run = bring(COMMAND, write([row(1)]))
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    services.record_transaction(**context, amount=Decimal(8), type="usage", reference_id="later")
    with pytest.raises(CommandError, match=r"wallet USD: would fall to -8\.0*, its floor is 0") as refused:
        call(COMMAND, "--undo", run.id)
    assert refused.value.returncode == 3
    assert Transaction.objects.filter(tenant=tenant).count() == 2


def test_undo_is_refused_where_a_row_is_a_reversal_of_something_older(bring, call, write, tenant, context):
    services.record_transaction(**context, amount=Decimal(8), type="usage", reference_id="old")
    run = bring(COMMAND, write([row(1, "usage", "8", reverses="old", reason_code="fraud")]))
    with pytest.raises(CommandError, match="usage r1: is itself a reversal"):
        call(COMMAND, "--undo", run.id)


def test_a_reversal_by_a_negative_amount_is_refused_by_plan_and_application_alike(bring, write, tenant, context):
    services.record_transaction(**context, amount=Decimal(8), type="usage", reference_id="old")
    run = bring(COMMAND, write([row(1, "usage", "-3", reverses="old", reason_code="other")]))
    assert (run.plan["counts"], run.counts) == ({"invalid_value": 1}, {"invalid_value": 1})
    assert BackfillReject.objects.get(run_id=run.id).why == "amount: type usage takes a magnitude, not a negative amount"
    assert balances(tenant) == {"USD": -8}


def test_a_reversal_of_a_signed_amount_has_its_sign_for_plan_and_application_alike(bring, write, tenant, context):
    services.record_transaction(**context, amount=Decimal(7), type="adjustment", reference_id="up")
    services.record_transaction(**context, amount=Decimal(-7), type="adjustment", reference_id="down")
    contrary = [
        row(1, "adjustment", "-3", reverses="up", reason_code="other"),
        row(2, "adjustment", "3", reverses="down", reason_code="other"),
    ]
    meant = [
        row(3, "adjustment", "2", reverses="up", reason_code="other"),
        row(4, "adjustment", "-1", reverses="down", reason_code="other"),
    ]
    run = bring(COMMAND, write([*contrary, *meant]))
    assert run.plan["counts"] == run.counts == {"invalid_value": 2, "posted": 2}
    assert {reject.why for reject in BackfillReject.objects.filter(run_id=run.id)} == {
        "amount: a reversal has the sign of what it takes back"
    }
    assert [Decimal(account["after"]) for account in run.plan["accounts"]] == list(balances(tenant).values()) == [Decimal(-1)]


histories = st.lists(
    st.fixed_dictionaries(
        {
            "reference_id": st.sampled_from(["a", "b", "c", "d"]),
            "type": st.sampled_from(["topup", "usage", "adjustment"]),
            "amount": st.sampled_from(["1", "2.5", "-3", "7", "x"]),
            "occurred_at": st.sampled_from([DAY.format(1), DAY.format(2)]),
        },
        optional={"reverses": st.sampled_from(["a", "b"]), "currency": st.sampled_from(["EUR", "USD"])},
    ),
    max_size=8,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=NO_SHRINKING)
@given(before=histories, after=histories, floor=st.sampled_from([None, "-2"]))
def test_whatever_is_in_the_file_and_the_book_the_plan_says_what_happens(call, write, before, after, floor):
    with transaction.atomic():
        tenant = TenantFactory()
        context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
        services.set_policy(**context, default_floor=None if floor is None else Decimal(floor))
        for number, rows in enumerate((before, after)):
            given_rows = [dict(one) | ({"reason_code": "other"} if "reverses" in one else {}) for one in rows]
            if not given_rows:
                continue
            call(COMMAND, tenant.slug, write(given_rows, f"{number}.csv"), "--plan")
            run = BackfillRun.objects.filter(tenant=tenant).order_by("-id").first()
            call(COMMAND, "--apply", run.id, "--batch-size", 5)
            run.refresh_from_db()
            assert run.plan["counts"] == run.counts
            moved = {account["unit"]: Decimal(account["after"]) for account in run.plan["accounts"] if account["rows"]}
            assert moved == {unit: balance for unit, balance in balances(tenant).items() if unit in moved}
        transaction.set_rollback(True)


def test_a_file_says_which_way_a_new_type_goes(bring, write, tenant):
    minutes = [row(number, "minutes", "7", direction="debit") for number in (1, 2)]
    run = bring(COMMAND, write([*minutes, row(3, "gift", "1", direction="credit", type_label="Gift")]))
    assert run.counts == run.plan["counts"] == {"posted": 3}
    assert balances(tenant) == {"USD": -13}
    types = TransactionType.objects.filter(tenant=tenant).order_by("code").values_list("code", "label", "direction", "is_catalogued")
    assert list(types) == [("gift", "Gift", "credit", True), ("minutes", "minutes", "debit", True)]


def test_a_type_that_the_book_knows_the_other_way_round_is_refused(bring, write, tenant, context):
    services.define_type(**context, code="minutes", label="Minutes", direction="credit")
    rows = [row(1, "minutes", direction="debit"), row(2, "usage", direction="debit")]
    run = bring(COMMAND, write(rows))
    assert run.counts == run.plan["counts"] == {"posted": 1, "invalid_value": 1}
    assert [reject.why for reject in run.rejects.all()] == ["direction: type minutes is credit in this ledger"]
    services.record_transaction(
        **context, amount=Decimal(10), type="minutes", reference_id="r1", occurred_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert bring(COMMAND, write(rows, name="again.csv")).counts == {"already_there": 2}


def test_no_file_adds_to_a_strict_catalogue(bring, write, tenant, context):
    services.set_policy(**context, strict_types=True)
    run = bring(COMMAND, write([row(1, "minutes", direction="debit", type_label="Minutes"), row(2, "fee")]))
    assert run.counts == run.plan["counts"] == {"posted": 1, "unknown_type": 1}
    assert not TransactionType.objects.filter(tenant=tenant, code="minutes").exists()


BALANCES = [
    "0",
    "-1",
    "1",
    "3",
    "2.999999999999999999",
    "99999999999999999999.999999999999999999",
    "100000000000000000000",
    "-100000000000000000000",
]


@pytest.mark.parametrize("floor", [None, "0", "-1", "1"])
@pytest.mark.parametrize("balance", BALANCES)
def test_a_plan_refuses_a_balance_exactly_where_the_posting_function_does(balance, floor):
    held = Decimal(3)
    wallet = {"currency": "USD", "balance": Decimal(0), "held": held, "floor": None if floor is None else Decimal(floor)}
    account = wallet_account("wallet USD", wallet, None)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT billing_posting_refusal(is_strict => false, is_catalogued => true, direction => 'signed', amount => %s::numeric,"
            " effect => %s::numeric, balance => 0, held => %s::numeric, floor => %s::numeric)",
            [balance, balance, held, floor],
        )
        [decided] = cursor.fetchone()
    planned = wallet_refusal(account, Decimal(balance))
    assert (planned and planned.code) == decided
    if decided == "insufficient":
        assert planned.why == f"wallet USD would fall to {balance}, of which 3 is held, its floor is {floor}"


def test_the_plan_reports_a_balance_with_too_many_digits(bring, write, tenant):
    rows = [row(1, amount="999999999999999999.999999999999999999") | {"reference_id": f"r{number}"} for number in range(101)]
    run = bring(COMMAND, write(rows))
    assert run.plan["counts"] == run.counts == {"posted": 100, "out_of_range": 1}


def test_a_row_that_differs_by_a_stated_default_is_already_there_in_the_plan_as_when_applied(bring, write, tenant, context):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    posted = services.record_transaction(**context, amount=Decimal(10), type="topup", reference_id="r1", occurred_at=moment)
    services.record_transaction(
        **context, amount=Decimal(10), type="topup", reference_id="r2", occurred_at=moment + timedelta(1), currency="USD"
    )
    # Without a time of its own, which a file must have.
    now = services.record_transaction(**context, amount=Decimal(10), type="topup", reference_id="r3").row.occurred_at
    services.reverse_transaction(**context, transaction_id=posted.row.id, reason_code="other", reference_id="undo", occurred_at=moment)
    rows = [
        row(1, currency="USD"),
        row(2),
        row(3, occurred_at=now.isoformat(), currency="USD"),
        row(1, currency="EUR"),
        row(3),
        row(4),
        row(4, currency="USD"),
        row(4, currency="EUR"),
        row(5, currency="USD"),
        row(5),
        {**row(1), "reference_id": "undo", "reverses": "r1", "reason_code": "other", "currency": "USD"},
    ]
    run = bring(COMMAND, write(rows))
    assert run.counts == {"posted": 2, "already_there": 6, "conflict": 3}
    assert run.plan["counts"] == run.counts
