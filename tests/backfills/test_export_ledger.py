"""What an export writes, the backfill reads back into an identical book."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.utils import timezone

from backoffice.exports.ledger_files import EXPORTS
from backoffice.integrity.checks import LEDGERS, checks_of
from billing import services as billing
from billing.models import DailyTotal, Transaction, TransactionType, Wallet
from credits import services as credits
from credits.models import Consumption, CreditTransaction, Grant, RecurringGrant
from kernel.ledger.base_models import TenantOwned
from kernel.ledger.identifiers import new_id
from metering.models import Agent, Cost, Fact, Rollup, Service, StatusChange, Trace
from metering.models import Transaction as Metered
from metering.services import (
    authorize_transaction,
    cancel_transaction,
    complete_transaction,
    create_agent,
    deny_transaction,
    prepare_transaction,
    record_cost,
    record_fact,
    record_transaction,
    set_policy,
    set_price,
)
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
FORMATS = ["csv", "jsonl", "csv.gz", "jsonl.gz"]


@pytest.fixture
def other(tenant):
    return TenantFactory(slug="other")


@pytest.fixture
def copy(bring, tmp_path, other):
    """Export a ledger of acme and bring it into the other tenant's; the run."""

    def copy(book, command, suffix):
        path = tmp_path / f"{book}.{suffix}"
        call_command("export_ledger", "acme", book, "--format", suffix.partition(".")[0], "--output", str(path))
        return bring(command, path, slug="other")

    return copy


def right(tenant):
    assert [name for ledger in LEDGERS for name, _, search in checks_of(ledger) if list(search(tenant.id, 1))] == []


def fill_wallets(context):
    odd = {"agent_id": 'röbot, "the" first', "description": 'a "cup",\nof tea', "metadata": '{"a": 1.50,\n "b": "\\n"}'}
    charge = billing.record_transaction(**context, amount=Decimal("0.000000000000000001"), type="usage", reference_id="a", **odd).row
    billing.record_transaction(**context, amount=Decimal(-3), type="odd", reference_id="a", currency="EUR", occurred_at=MOMENT)
    refund = billing.record_transaction(**context, amount=Decimal("12.50"), type="topup", reference_id="b").row
    billing.reverse_transaction(**context, transaction_id=charge.id, reason_code="duplicate", reason="twice")
    part = {"amount": Decimal(5), "reference_id": "c"}
    billing.reverse_transaction(**context, transaction_id=refund.id, reason_code="other", **part)
    billing.record_transaction(**context, amount=Decimal(0), type="fee", reference_id="d")
    billing.define_type(**context, code="minutes", label="Minutes spoken", direction="debit")
    billing.define_type(**context, code="topup", label="Paid in", direction="credit")
    billing.record_transaction(**context, amount=Decimal(7), type="minutes", reference_id="e")


def test_a_repeated_call_of_the_old_ledger_is_a_replay_in_the_new_one(copy, other, context):
    fill_wallets(context)
    copy("billing-transactions", "backfill_billing_transactions", "jsonl")
    there = {**context, "tenant_id": other.id}
    assert billing.record_transaction(**there, amount=Decimal("12.5"), type="topup", reference_id="b").replayed


def fill_grants(context):
    order_recurring_grants(context)
    facts = {"customer_id": "maria", "name": "Start", "unit_type": "CURRENCY", "currency": "USD"}
    grant = credits.create_grant(
        **context, **facts, amount=Decimal(100), cost_of_credit=Decimal("33.33"), idempotency_key="g", effective_date=date(2026, 1, 1)
    )
    spent = credits.record_transaction(
        **context, grant_id=grant.row.id, type="DEBIT", amount=Decimal("40.5"), idempotency_key="t1", reason="tea, black", invoice_id="i"
    )
    credits.record_transaction(**context, grant_id=grant.row.id, type="DEBIT", amount=Decimal(1), occurred_at=MOMENT)
    credits.reverse_transaction(**context, transaction_id=spent.row.id, reason="oops")
    credits.consume(**context, customer_id="maria", currency="USD", amount=Decimal(3))
    credits.create_grant(**context, **facts, amount=Decimal(5), effective_date=date(2026, 1, 1), expiry_date=date(2026, 1, 31))
    metric = {**facts, "unit_type": "METRIC", "metric_id": "tokens"}
    void = credits.create_grant(**context, **metric, amount=Decimal(9), category="promotional", priority=3)
    credits.record_transaction(**context, grant_id=void.row.id, type="DEBIT", amount=Decimal(2))
    credits.void_grant(**context, grant_id=void.row.id, reason="closed")
    gone = credits.create_grant(**context, **facts, amount=Decimal(9))
    credits.delete_grant(**context, grant_id=gone.row.id)
    credits.consume(
        **context, customer_id="maria", currency="USD", amount=Decimal(500), partial=True, invoice_id="i2", idempotency_key="c1"
    )


def order_recurring_grants(context):
    """Last month's grant rolled over into this month's; an order that begins next month; and one that was cancelled."""
    first = datetime.now(UTC).date().replace(day=1)
    facts = {"customer_id": "maria", "name": "Monthly", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(20)}
    last_month = (first - timedelta(days=1)).replace(day=1)
    credits.create_recurring_grant(
        **context, **facts, cost_of_credit=Decimal("9.99"), starts_on=last_month, rollover_cap=Decimal(15), idempotency_key="s"
    )
    metric = {**facts, "unit_type": "METRIC", "metric_id": "tokens", "customer_id": "jo", "category": "promotional", "priority": 0}
    credits.create_recurring_grant(**context, **metric, every_months=3, starts_on=first + timedelta(days=40), ends_on=date(2100, 1, 1))
    ended = credits.create_recurring_grant(**context, **{**facts, "customer_id": "jo"}, starts_on=first)
    credits.cancel_recurring_grant(**context, recurring_grant_id=ended.row.id)


def test_credit_given_back_to_a_grant_that_is_over_is_gone_again_in_the_new_book(copy, tenant, other, context):
    today = datetime.now(UTC).date()
    with time_machine.travel(timezone.now() - timedelta(days=5)):
        facts = {"customer_id": "maria", "name": "Short", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(10)}
        credits.create_grant(**context, **facts, expiry_date=today - timedelta(days=4))
        credits.consume(**context, customer_id="maria", currency="USD", amount=Decimal(7), invoice_id="i")
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        list(credits.expire_grants(actor="job:test", request_id="", tenant_id=tenant.id))
        credits.reinstate(**context, customer_id="maria", invoice_id="i")
    copy("credit-grants", "backfill_credit_grants", "jsonl")
    run = copy("credit-transactions", "backfill_credit_transactions", "jsonl")
    assert run.counts == run.plan["counts"] == {"posted": 3, "already_there": 1}
    # The last entry is the ledger's own, and so is its id.
    assert_same(CreditTransaction, tenant, other, NEW | {"id"}, key=lambda row: [value for value in row if isinstance(value, int)])
    assert Grant.objects.get(tenant=other).status == "expired"
    right(other)


def test_the_plan_reports_grants_without_their_recurring_grant(copy, tenant, other, context):
    order_recurring_grants(context)
    run = copy("credit-grants", "backfill_credit_grants", "jsonl")
    assert run.counts == run.plan["counts"] == {"not_found": 3}
    assert "import the recurring grants first" in run.plan["examples"][0]["why"]


def test_recurring_grants_that_were_brought_in_are_cancelled_by_an_undo_once_no_grant_of_theirs_stands(copy, call, tenant, other, context):
    order_recurring_grants(context)
    recurring_grants = copy("recurring-grants", "backfill_recurring_grants", "csv")
    grants = copy("credit-grants", "backfill_credit_grants", "csv")
    with pytest.raises(CommandError, match=r"recurring grant .* \(Monthly\): has 2 grants"):
        call("backfill_recurring_grants", "--undo", recurring_grants.id)
    call("backfill_credit_grants", "--undo", grants.id)
    assert "taken back  2 rows" in call("backfill_recurring_grants", "--undo", recurring_grants.id)[0]
    assert set(RecurringGrant.objects.filter(tenant=other).values_list("status", flat=True)) == {"cancelled"}
    assert RecurringGrant.objects.filter(tenant=tenant, status="active").count() == 2


def fill_metering(context):
    cost = {"fiat_amount": Decimal("0.05"), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": '{"rate": 2.50}'}
    euros = {"fiat_amount": Decimal(3), "fiat_asset_symbol": "EUR", "is_estimate": False}
    names = {"service_name": "search", "action_name": "query", "resource_name": "/v1", "agent_name": "robot"}
    recorded = record_transaction(
        **context, **names, idempotency_key="m", metadata='{"a":1.50,\n"b":1}', occurred_at=MOMENT, costs=[cost, euros]
    )
    later = {"fiat_amount": Decimal("0.07"), "fiat_asset_symbol": "USD", "is_estimate": False}
    first = next(cost for cost in recorded.row["costs"] if cost["is_estimate"])
    record_cost(**context, transaction_id=recorded.row["id"], **later, supersedes_cost_id=first["id"], idempotency_key="better")
    record_cost(**context, transaction_id=recorded.row["id"], **later)
    complete_transaction(**context, transaction_id=recorded.row["id"], outcome="success")
    cancelled = record_transaction(**context, service_name="other", request_facts='{"request": {"method": "GET"}}', costs=[cost, cost])
    cancel_transaction(**context, transaction_id=cancelled.row["id"], reason="nobody waits", idempotency_key="stop")
    record_transaction(**context, **names, trace_external_id="t-1", customer_id="globex")
    fill_facts(context)
    fill_decisions(context)


def fill_facts(context):
    """Facts that were priced, within the call that completes and in a call of their own, and one whose price nobody knows."""
    units = [{"fact_key": "tokens", "amount": Decimal("0.5"), "per": 1000}]
    set_price(**context, service_name="model", units=units, valid_from=MOMENT, currency="USD")
    said = {"source": "proxy", "version": "1", "facts": '{"tokens": 1500,\n "x": 1.10}', "integration": '{"name": "px"}'}
    estimate = {"fiat_amount": Decimal("0.05"), "fiat_asset_symbol": "USD", "is_estimate": True}
    keyed = record_transaction(**context, service_name="model", costs=[estimate]).row["id"]
    complete_transaction(**context, transaction_id=keyed, outcome="error", response_facts=said, idempotency_key="done")
    unkeyed = record_transaction(**context, service_name="model").row["id"]
    record_fact(**context, transaction_id=unkeyed, **said, fact_phase="request")
    record_fact(**context, transaction_id=unkeyed, **said, fact_phase="partial")
    complete_transaction(**context, transaction_id=unkeyed, outcome="success", response_facts=said)
    record_fact(**context, transaction_id=keyed, **{**said, "facts": "{}"}, fact_phase="response")


def fill_decisions(context):
    """One authorized and one denied after a look, and one that was denied as it came, for its agent is inactive."""
    set_policy(**context, authorizes_at_once=False)
    asked = [record_transaction(**context, service_name="slow").row["id"] for _ in range(3)]
    for transaction_id in asked[:2]:
        prepare_transaction(**context, transaction_id=transaction_id)
    authorize_transaction(**context, transaction_id=asked[0], reason="within its budget")
    deny_transaction(**context, transaction_id=asked[1], reason='too "dear",\nby far')
    create_agent(**context, name="sleeper", label="Sleeper", status="inactive")
    cost = {"fiat_amount": Decimal("0.05"), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": '{"rate": 2.50}'}
    record_transaction(**context, service_name="slow", agent_name="sleeper", costs=[cost])


def test_a_caller_of_the_old_book_completes_only_once_in_the_new_one(copy, tenant, other, context):
    fill_metering(context)
    copy("metered-transactions", "backfill_metered_transactions", "jsonl")
    there = {**context, "tenant_id": other.id}
    done = StatusChange.objects.get(tenant=other, idempotency_key="done")
    said = {"source": "proxy", "version": "1", "facts": '{"tokens": 1500, "x": 1.10}', "integration": '{"name": "px"}'}
    moved = complete_transaction(**there, transaction_id=done.transaction_id, outcome="error", response_facts=said, idempotency_key="done")
    assert moved.replayed
    assert moved.row["fact_id"] == Fact.objects.get(tenant=tenant, idempotency_key="done").id


def test_history_brought_in_with_its_steps_is_taken_back_whole(copy, call, tenant, other, context):
    fill_metering(context)
    run = copy("metered-transactions", "backfill_metered_transactions", "jsonl")
    call("backfill_metered_transactions", "--undo", run.id)
    assert not Cost.objects.filter(tenant=other, is_active=True, fiat_amount__gt=0).exists()
    assert Metered.objects.filter(tenant=other, status__in=("pending", "preparing", "authorized")).count() == 0
    right(other)


@pytest.mark.parametrize(
    ("steps", "status", "why"),
    [
        ([{"to": "authorized"}, {"from": "pending", "to": "completed"}], "completed", "step 2: comes from pending"),
        ([{"to": "pending"}, {"from": "pending", "to": "completed"}], "completed", "no transaction goes from pending to completed"),
        ([{"to": "authorized"}], "completed", "is not authorized, where the last of status_changes leads"),
        ([{"to": "gone"}], "completed", "step 1: must be one of"),
        ([{"to": "completed", "colour": 1}], "completed", "is no list of steps"),
    ],
)
def test_steps_that_no_transaction_takes_are_refused(call, tmp_path, tenant, steps, status, why):
    row = {"id": str(new_id()), "occurred_at": "2026-01-05", "service_name": "x", "outcome": "success", "status": status}
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps({**row, "status_changes": steps}) + "\n")
    out, code = call("backfill_metered_transactions", "acme", path, "--plan")
    assert code == 1
    assert why in out


@dataclass(frozen=True)
class Trip:
    """A ledger's way out and back in: what fills it, its ledgers in their order, and each table with the columns that don't come back."""

    fill: Callable
    books: tuple[str, ...]
    tables: dict[type[Model], set[str]]
    # How many rows each ledger has.
    rows: tuple[int, ...]


# What the new ledger says itself.
NEW = {"tenant_id", "created_at", "actor", "request_id"}
TRIPS = {
    "billing": Trip(
        fill=fill_wallets,
        books=("billing-transactions",),
        rows=(7,),
        tables={
            # By it near-duplicates are found; a reversal is none, and its likeness says only whether its caller named the agent.
            Transaction: NEW | {"likeness"},
            # A floor is set, not posted: it is in billing-wallets.
            Wallet: {"tenant_id", "created_at", "last_entry_at", "floor", "alert_below", "refusal_reported_at"},
            TransactionType: {"tenant_id", "id", "created_at", "created_by"},
            DailyTotal: {"tenant_id", "id"},
        },
    ),
    "credits": Trip(
        fill=fill_grants,
        books=("recurring-grants", "credit-grants", "credit-transactions"),
        rows=(3, 7, 11),
        tables={
            RecurringGrant: NEW,
            # The ledger's own moments.
            Grant: NEW | {"last_entry_at", "closed_at"},
            # A hold isn't read back: which one a capture belonged to is in the exports.
            CreditTransaction: NEW | {"hold_id"},
            Consumption: NEW,
        },
    ),
    "metering": Trip(
        fill=fill_metering,
        books=("metered-transactions",),
        rows=(9,),
        tables={
            Metered: NEW | {"updated_at", "service_id", "agent_id", "trace_id"},
            Cost: NEW | {"superseded_at"},
            # The first step of a transaction denied as it came has its reason on the transaction: there, and below, reasons are compared.
            StatusChange: NEW | {"reason"},
            Fact: NEW,
            Service: {"tenant_id", "id", "created_at"},
            Trace: {"tenant_id", "id", "created_at"},
        },
    ),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("ledger", TRIPS)
def test_a_book_comes_back_as_it_was(copy, tenant, other, context, ledger, suffix):
    trip = TRIPS[ledger]
    # History is older than the minute within which the world's clock and the book's are taken for one.
    with time_machine.travel(timezone.now() - timedelta(days=3)):
        trip.fill(context)
    runs = [copy(book, EXPORTS[book].command, suffix) for book in trip.books]
    assert [run.counts for run in runs] == [run.plan["counts"] for run in runs] == [{"posted": rows} for rows in trip.rows]
    for model, skipped_columns in trip.tables.items():
        assert_same(model, tenant, other, skipped_columns)
    assert names_of(tenant) == names_of(other)
    assert reasons(tenant) == reasons(other)
    assert sums(tenant) == sums(other)
    right(other)
    runs = [copy(book, EXPORTS[book].command, suffix) for book in trip.books]
    assert [run.counts for run in runs] == [run.plan["counts"] for run in runs] == [{"already_there": rows} for rows in trip.rows]


def assert_same(model, tenant, other, skipped_columns, *, key=str):
    """Whatever column a table has is compared, if it isn't named: a new one too."""
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in skipped_columns]
    mine, theirs = (sorted(model.objects.filter(tenant=one).values_list(*names), key=key) for one in (tenant, other))
    assert len(mine) == len(theirs) > 0
    for first, second in zip(mine, theirs, strict=True):
        assert dict(zip(names, first, strict=True)) == dict(zip(names, second, strict=True)), model


def reasons(tenant):
    """Of each step but the first."""
    later = StatusChange.objects.filter(tenant=tenant).exclude(from_status=None)
    return list(later.order_by("id").values_list("id", "reason"))


def names_of(tenant):
    """What metered transactions refer to, by name: services, agents and traces have ids of their own in each book."""
    found = Metered.objects.filter(tenant=tenant, service__tenant=tenant, trace__tenant=tenant).order_by("id")
    agents = dict(Agent.objects.filter(tenant=tenant).values_list("id", "name"))
    rows = found.values_list("id", "service__name", "trace__reference", "trace__external_id", "agent_id")
    return [(*names, agents.get(agent)) for *names, agent in rows]


def sums(tenant):
    """The counts stand under any one currency, so they are added up apart from the amounts."""
    found = {}
    names = ("grain", "starts_at", "service__name", "currency", "transactions", "costs", "amount")
    for grain, starts_at, service, currency, transactions, costs, amount in Rollup.objects.filter(tenant=tenant).values_list(*names):
        for key, value in (((grain, starts_at, service), transactions), ((grain, starts_at, service, currency), (costs, amount))):
            earlier = found.get(key, 0 if isinstance(value, int) else (0, 0))
            found[key] = earlier + value if isinstance(value, int) else (earlier[0] + value[0], earlier[1] + value[1])
    return {key: value for key, value in found.items() if value not in (0, (0, 0))}


def test_a_hyphen_is_standard_output_and_no_file_of_that_name(copy, tenant, capfdbinary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call_command("export_ledger", "acme", "billing-transactions", "--format", "csv", "--output", "-", "--no-progress")
    assert capfdbinary.readouterr().out.removeprefix(b"\xef\xbb\xbf").startswith(b"id,")
    assert list(tmp_path.iterdir()) == []


def test_an_export_goes_to_standard_output_and_an_outsiders_holds_nothing(tmp_path, other, context, capfdbinary):
    fill_wallets(context)
    call_command("export_ledger", "acme", "billing-transactions", "--format", "jsonl")
    lines = capfdbinary.readouterr().out.splitlines()
    assert [json.loads(line)["reference_id"] for line in lines if b'"EUR"' in line] == ["a"]
    path = tmp_path / "other.csv.gz"
    call_command("export_ledger", "other", "billing-transactions", "--output", str(path))
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 1
    assert not path.with_name("other.csv.gz.part").exists()


# Tables that no file holds, because other rows say it all; and those whose files nothing reads back.
DERIVED = {
    "billing_dailytotal": "sums of entries: rebuild_balances",
    "metering_rollup": "sums of transactions and their costs: rebuild_rollups",
    "metering_usage": "what transactions count for: count_usage",
    "metering_usagesum": "sums of metering_usage",
    "metering_usagenote": "which transactions are to be counted again",
    "metering_usageprogress": "how far they are counted",
    "rules_rulemeasure": "what the limits of rules measure",
    "rules_rulecounter": "sums of transactions within a window",
    "rules_rulecounterentry": "what a transaction adds to a counter",
    "events_listener": "the patterns of the endpoints",
    "events_event": "kept for 90 days; what happened is in the entries",
    "events_delivery": "as events",
    "events_attempt": "kept for 30 days",
    "events_idempotentcall": "idempotency keys of calls that change endpoints",
}
FOR_THE_RECORD = {
    "metering_usagekey": "a setting: declared over the API and in the back office",
    "events_endpoint": "a setting: its secret is derived from its id and can't be taken along",
    "events_secretreading": "who read which secret",
    "credits_policy": "a setting",
    "credits_balancealert": "a setting",
    "rules_spendingrule": "a setting: made over the API and in the back office",
    "rules_ruleparameter": "a part of its rule",
    "rules_rulecondition": "a part of its rule",
    "rules_agentrule": "a part of its rule",
    "rules_ruleversion": "a part of its rule",
    "rules_authorizationrequest": "what the rules of then decided: an imported transaction is not decided again",
    "rules_ruleexecution": "a part of its request",
    "billing_policy": "a setting: set_billing_policy",
    "metering_policy": "a setting: set_metering_policy",
    "metering_agent": "found or made by name; its label, description and status are set by people",
    "metering_price": "a setting: set_price",
    "metering_unitprice": "a part of its price",
    "credits_hold": "a promise with an end: what is still open is placed again",
    "credits_holdline": "a part of its hold",
    "credits_holdentry": "a part of its hold",
    "credits_holdcall": "a part of its hold",
    "billing_wallethold": "a promise with an end: what is still open is placed again",
    "billing_walletholdentry": "a part of its hold",
    "paying_payment": "how a call was paid: the money is in the entries of the other ledgers",
    "paying_paymentleg": "a part of its payment",
    "paying_paymentcall": "a part of its payment",
    "paying_paymenttoken": "a part of its payment",
    "paying_collection": "what was posted is in the payee's wallet",
    "paying_payee": "a setting: set_payee",
    "paying_payersetting": "a setting: set_payer",
    "corrections_request": "what was corrected is in the entries",
    "corrections_line": "a part of its request",
    "corrections_entry": "a part of its request",
    "corrections_evidence": "a part of its request",
    "corrections_comment": "a part of its request",
    "corrections_statechange": "a part of its request",
    "corrections_threshold": "a setting of the back office",
    "backfills_run": "how the old ledger came about",
    "backfills_reject": "a part of its run",
    "backfills_upload": "how the old ledger came about",
    "backfills_uploadstep": "a part of its upload",
    "backfills_share": "a part of its run",
}


def test_every_table_of_a_tenant_comes_back_or_is_on_record_or_is_derived():
    tables = {model._meta.db_table for model in apps.get_models() if issubclass(model, TenantOwned)}
    compared = {model._meta.db_table for trip in TRIPS.values() for model in trip.tables}
    assert compared | FOR_THE_RECORD.keys() | DERIVED.keys() == tables, "name a new table in a trip, or say why it doesn't come back"
    assert FOR_THE_RECORD.keys().isdisjoint(compared | DERIVED.keys())
    written = {table for export in EXPORTS.values() for table in export.tables}
    assert written == tables - DERIVED.keys(), "a table that isn't derived is in an export"


def test_every_export_with_a_command_goes_round():
    assert {name for name, export in EXPORTS.items() if export.command} == {book for trip in TRIPS.values() for book in trip.books}


# The first and the last moment that the ledgers take.
LIMITS = (datetime(1900, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))


def fill_with_limits(context):
    for number, moment in enumerate(LIMITS):
        billing.record_transaction(**context, amount=Decimal(1), type="topup", reference_id=f"r{number}", occurred_at=moment)
        names = {"service_name": "search", "action_name": "query", "resource_name": "/v1"}
        record_transaction(**context, **names, idempotency_key=f"m{number}", occurred_at=moment, costs=[])
    facts = {"customer_id": "maria", "name": "Long", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(100)}
    days = {"effective_date": LIMITS[0].date(), "expiry_date": LIMITS[1].date()}
    grant = credits.create_grant(**context, **facts, **days, idempotency_key="g")
    credits.record_transaction(
        **context, grant_id=grant.row.id, type="DEBIT", amount=Decimal(1), occurred_at=LIMITS[0], idempotency_key="t"
    )


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_moments_at_the_limits_of_the_range_come_back(bring, tmp_path, tenant, other, context, format):
    fill_with_limits(context)
    for export in EXPORTS.values():
        if export.command is None or export.name == "recurring-grants":
            continue
        path = tmp_path / f"{export.name}.{format}"
        call_command("export_ledger", "acme", export.name, "--output", str(path))
        run = bring(export.command, path, slug="other")
        assert run.counts.keys() == {"posted"}, (export.name, run.plan["examples"])
    for model, order in ((Transaction, "reference_id"), (Metered, "idempotency_key"), (CreditTransaction, "entry_number")):
        theirs, ours = (model.objects.filter(tenant=one).order_by(order).values_list("id", "occurred_at") for one in (tenant, other))
        assert list(ours) == list(theirs), model
    grant = Grant.objects.get(tenant=other)
    assert (grant.effective_date, grant.expiry_date) == (LIMITS[0].date(), LIMITS[1].date())
    right(other)
