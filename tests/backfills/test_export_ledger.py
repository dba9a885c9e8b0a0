"""What an export writes, the backfill reads back into an identical book."""

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from billing import services as billing
from billing.models import DailyTotal, Transaction, Wallet
from config.books.proving import LEDGERS, searches
from credits import services as credits
from credits.models import CreditTransaction, Grant
from metering.models import Cost, Rollup
from metering.models import Transaction as Metered
from metering.services.costs import add_cost
from metering.services.lifecycle import cancel_transaction, complete_transaction
from metering.services.transactions import record_transaction
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
FORMATS = ["csv", "jsonl", "csv.gz", "jsonl.gz"]


@pytest.fixture
def other(tenant):
    return TenantFactory(slug="other")


@pytest.fixture
def copy(bring, tmp_path, other):
    """Export a book of acme and bring it into the other tenant's; the run."""

    def copy(book, command, suffix):
        path = tmp_path / f"{book}.{suffix}"
        call_command("export_ledger", "acme", book, "--format", suffix.partition(".")[0], "--output", str(path))
        return bring(command, path, slug="other")

    return copy


def same(model, tenant, other, *names, order):
    mine, theirs = (list(model.objects.filter(tenant=one).order_by(*order).values(*names)) for one in (tenant, other))
    assert len(mine) == len(theirs) > 0
    for number, (first, second) in enumerate(zip(mine, theirs, strict=True)):
        assert {name: (first[name], second[name]) for name in first if first[name] != second[name]} == {}, number


def right(tenant):
    assert [name for ledger in LEDGERS for name, _, search in searches(ledger) if list(search(tenant.id, 1))] == []


def fill_wallets(who):
    odd = {"agent_id": 'röbot, "the" first', "description": 'a "cup",\nof tea', "metadata": '{"a": 1.50,\n "b": "\\n"}'}
    charge = billing.record_transaction(**who, amount=Decimal("0.000000000000000001"), type="usage", reference_id="a", **odd)
    billing.record_transaction(**who, amount=Decimal(-3), type="odd", reference_id="a", currency="EUR", occurred_at=MOMENT)
    refund = billing.record_transaction(**who, amount=Decimal("12.50"), type="topup", reference_id="b")
    billing.reverse_transaction(**who, transaction_id=charge.id, reason_code="duplicate", reason="twice")
    part = {"amount": Decimal(5), "reference_id": "c"}
    billing.reverse_transaction(**who, transaction_id=refund.id, reason_code="other", **part)
    billing.record_transaction(**who, amount=Decimal(0), type="fee", reference_id="d")


@pytest.mark.parametrize("suffix", FORMATS)
def test_wallets_come_back_as_they_were(copy, tenant, other, who, suffix):
    fill_wallets(who)
    run = copy("billing-transactions", "backfill_billing_transactions", suffix)
    assert run.counts == {"posted": 6}
    names = ("id", "currency", "entry_number", "type", "direction", "amount", "effect", "balance_after", "reference_id", "agent_id")
    names += ("description", "metadata", "occurred_at", "reverses_id", "reason_code", "reason", "reversed_amount", "reversed_by_id")
    same(Transaction, tenant, other, *names, "facts_digest", "flags", order=["currency", "entry_number"])
    same(Wallet, tenant, other, "currency", "balance", "last_entry_number", order=["currency"])
    same(DailyTotal, tenant, other, "currency", "type", "day", "entries", "credits", "debits", order=["currency", "type", "day"])
    right(other)


def test_a_caller_of_the_old_book_is_answered_alike_by_the_new_one(copy, other, who):
    fill_wallets(who)
    copy("billing-transactions", "backfill_billing_transactions", "jsonl")
    there = {**who, "tenant_id": other.id}
    assert billing.record_transaction(**there, amount=Decimal("12.5"), type="topup", reference_id="b").outcome == "replayed"


def fill_grants(who):
    facts = {"customer_id": "maria", "name": "Start", "unit_type": "CURRENCY", "currency": "USD"}
    grant = credits.create_grant(
        **who, **facts, amount=Decimal(100), cost_of_credit=Decimal("33.33"), idempotency_key="g", effective_date=date(2026, 1, 1)
    )
    spent = credits.post_transaction(
        **who, grant_id=grant.id, type="DEBIT", amount=Decimal("40.5"), idempotency_key="t1", reason="tea, black", invoice_id="i"
    )
    credits.post_transaction(**who, grant_id=grant.id, type="DEBIT", amount=Decimal(1), occurred_at=MOMENT)
    credits.reverse_transaction(**who, transaction_id=spent.id, reason="oops")
    credits.consume(**who, customer_id="maria", currency="USD", amount=Decimal(3))
    credits.create_grant(**who, **facts, amount=Decimal(5), effective_date=date(2026, 1, 1), expiry_date=date(2026, 1, 31))
    metric = {**facts, "unit_type": "METRIC", "metric_id": "tokens"}
    void = credits.create_grant(**who, **metric, amount=Decimal(9), category="promotional", priority=3)
    credits.post_transaction(**who, grant_id=void.id, type="DEBIT", amount=Decimal(2))
    credits.void_grant(**who, grant_id=void.id, reason="closed")
    gone = credits.create_grant(**who, **facts, amount=Decimal(9))
    credits.delete_grant(**who, grant_id=gone.id)


@pytest.mark.parametrize("suffix", FORMATS)
def test_grants_and_their_transactions_come_back_as_they_were(copy, tenant, other, who, suffix):
    fill_grants(who)
    assert copy("credit-grants", "backfill_credit_grants", suffix).counts == {"posted": 4}
    run = copy("credit-transactions", "backfill_credit_transactions", suffix)
    assert run.counts == run.plan["counts"] == {"posted": 7}
    names = ("id", "customer_id", "name", "unit_type", "currency", "metric_id", "category", "priority", "original_amount", "cost_of_credit")
    names += ("effective_date", "expiry_date", "idempotency_key", "facts_digest", "balance", "held", "last_entry_number", "status")
    same(Grant, tenant, other, *names, order=["id"])
    names = ("grant_id", "customer_id", "type", "kind", "amount", "entry_number", "balance_after", "cost_basis", "reason", "invoice_id")
    names += ("billing_run_id", "reverses_id", "idempotency_key", "facts_digest", "chosen_by")
    same(CreditTransaction, tenant, other, *names, order=["grant_id", "entry_number"])
    moved = ("id", "occurred_at")
    mine, theirs = (CreditTransaction.objects.filter(tenant=one).exclude(kind="opening") for one in (tenant, other))
    assert list(mine.order_by("id").values(*moved)) == list(theirs.order_by("id").values(*moved))
    right(other)
    again = copy("credit-transactions", "backfill_credit_transactions", suffix)
    assert again.counts == again.plan["counts"] == {"already_there": 7}


def fill_metering(who):
    cost = {"fiat_amount": Decimal("0.05"), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": '{"rate": 2.50}'}
    euros = {"fiat_amount": Decimal(3), "fiat_asset_symbol": "EUR", "is_estimate": False}
    names = {"service_name": "search", "action_name": "query", "resource_name": "/v1", "agent_name": "robot"}
    recorded = record_transaction(
        **who, **names, idempotency_key="m", metadata='{"a":1.50,\n"b":1}', occurred_at=MOMENT, costs=[cost, euros]
    )
    later = {"fiat_amount": Decimal("0.07"), "fiat_asset_symbol": "USD", "is_estimate": False}
    first = next(cost for cost in recorded.row["costs"] if cost["is_estimate"])
    add_cost(**who, transaction_id=recorded.row["id"], **later, supersedes_cost_id=first["id"])
    complete_transaction(**who, transaction_id=recorded.row["id"], outcome="success")
    cancelled = record_transaction(**who, service_name="other", request_facts='{"request": {"method": "GET"}}')
    cancel_transaction(**who, transaction_id=cancelled.row["id"])
    record_transaction(**who, **names, trace_external_id="t-1")


@pytest.mark.parametrize("suffix", FORMATS)
def test_metered_transactions_come_back_as_they_were(copy, tenant, other, who, suffix):
    fill_metering(who)
    run = copy("metered-transactions", "backfill_metered_transactions", suffix)
    assert run.counts == run.plan["counts"] == {"posted": 3}
    names = ("id", "service__name", "action_name", "resource_name", "agent__name", "trace__reference", "trace__external_id", "status")
    names += ("outcome", "qualifiers", "metadata", "request_facts", "payment_data", "idempotency_key", "facts_digest", "occurred_at")
    same(Metered, tenant, other, *names, "completed_at", order=["id"])
    names = ("id", "transaction_id", "fiat_amount", "fiat_asset_symbol", "is_estimate", "is_active", "supersedes_id", "cost_details")
    same(Cost, tenant, other, *names, order=["id"])
    assert sums(tenant) == sums(other)
    right(other)
    again = copy("metered-transactions", "backfill_metered_transactions", suffix)
    assert again.counts == again.plan["counts"] == {"already_there": 3}


def sums(tenant):
    """The counts stand under any one currency, so they are added up apart from the amounts."""
    found = {}
    names = ("grain", "starts_at", "service__name", "currency", "transactions", "costs", "amount")
    for grain, starts_at, service, currency, transactions, costs, amount in Rollup.objects.filter(tenant=tenant).values_list(*names):
        for key, value in (((grain, starts_at, service), transactions), ((grain, starts_at, service, currency), (costs, amount))):
            earlier = found.get(key, 0 if isinstance(value, int) else (0, 0))
            found[key] = earlier + value if isinstance(value, int) else (earlier[0] + value[0], earlier[1] + value[1])
    return {key: value for key, value in found.items() if value not in (0, (0, 0))}


def test_an_export_goes_to_standard_output_and_an_outsiders_holds_nothing(tmp_path, other, who, capfdbinary):
    fill_wallets(who)
    call_command("export_ledger", "acme", "billing-transactions", "--format", "jsonl")
    lines = capfdbinary.readouterr().out.splitlines()
    assert [json.loads(line)["reference_id"] for line in lines if b'"EUR"' in line] == ["a"]
    path = tmp_path / "other.csv.gz"
    call_command("export_ledger", "other", "billing-transactions", "--output", str(path))
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 1
    assert not path.with_name("other.csv.gz.part").exists()


def test_parquet_without_its_package_is_refused_in_words(tmp_path, tenant, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(CommandError, match="install it beside the service"):
        call_command("export_ledger", "acme", "credit-grants", "--format", "parquet", "--output", str(tmp_path / "a.parquet"))
