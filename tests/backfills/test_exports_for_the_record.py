"""What no backfill reads back is written out whole all the same: every row of every table, as of one moment."""

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from backoffice.exports.ledger_files import EXPORTS
from billing import services as billing
from credits import services as credits
from credits.models import Hold, HoldEntry, HoldLine
from kernel.backfills.models import BackfillShare, BackfillUpload, BackfillUploadStep
from kernel.corrections import services as corrections
from kernel.events.models import Endpoint, SecretReading
from kernel.ledger.base_models import TenantOwned
from metering.paying import services as paying
from metering.paying.models import Collection, Payment, PaymentToken
from metering.rules.services import create_rule
from metering.services import create_agent, declare_key, record_transaction, set_policy, set_price
from tests.backfills.test_export_ledger import FOR_THE_RECORD
from tests.factories import TenantFactory
from tests.rules.book import COUNT, condition, limit

MOMENT = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def book(context, bring, write):
    """A row or more in each table that is for the record."""
    fill_settings(context)
    fill_holds(context)
    fill_corrections(context)
    fill_rules(context)
    fill_webhooks(context)
    rows = [{"reference_id": "a", "type": "usage", "amount": amount, "occurred_at": "2026-01-01"} for amount in ("1", "two")]
    run = bring("backfill_billing_transactions", write(rows))
    BackfillShare.objects.create(tenant_id=run.tenant_id, run=run, number=0)
    its = {"command": run.command, "file_name": "old.csv", "file_size": 1, "file_digest": "0" * 64, "state": "planned", "problem": ""}
    upload = BackfillUpload.objects.create(tenant_id=run.tenant_id, run=run, actor="staff:1", **its)
    BackfillUploadStep.objects.create(tenant_id=run.tenant_id, upload=upload, what="uploaded", actor="staff:1")


def fill_settings(context):
    billing.set_policy(**context, strict_types=False, default_floor=Decimal("-0.5"))
    billing.define_type(**context, code="unused", label="Never used", direction="credit")
    billing.record_transaction(**context, amount=Decimal(9), type="topup", reference_id="first")
    set_policy(**context, authorizes_at_once=False, stale_after=timedelta(minutes=90))
    declare_key(**context, place="metadata", name="team")
    create_agent(**context, name="clerk", label="Clerk", description="does it", status="inactive")
    units = [{"fact_key": "tokens", "amount": Decimal("0.000000000000000001"), "per": 1000}]
    for day in (MOMENT, MOMENT + timedelta(days=1)):
        set_price(**context, service_name="model", units=units, valid_from=day)


def fill_holds(context):
    facts = {"customer_id": "maria", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(10)}
    for name in ("first", "second"):
        credits.create_grant(**context, **facts, name=name)
    wanted = {"customer_id": "maria", "currency": "USD", "expires_at": timezone.now() + timedelta(hours=1)}
    captured = credits.place_hold(**context, **wanted, amount=Decimal("12.5"), reason="a cup of tea", idempotency_key="h")
    credits.capture_hold(**context, customer_id="maria", hold_id=captured.row.id, amount=Decimal(11), invoice_id="i")
    released = credits.place_hold(**context, **wanted, amount=Decimal(1))
    credits.release_hold(**context, customer_id="maria", hold_id=released.row.id)
    credits.place_hold(**context, **wanted, amount=Decimal(2))
    part = credits.place_hold(**context, **wanted, amount=Decimal(1))
    credits.capture_hold(**context, customer_id="maria", hold_id=part.row.id, amount=Decimal("0.5"), final=False, idempotency_key="part")
    billing.place_hold(**context, amount=Decimal(1), expires_at=wanted["expires_at"], reference_id="hold")
    set_policy(**context, holds_estimates=True, authorizes_at_once=True)
    cost = {"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": True}
    row = record_transaction(**context, service_name="paid", action_name="a", resource_name="r", costs=[cost]).row
    set_policy(**context, holds_estimates=False, authorizes_at_once=False)
    paying.set_payee(**context, pay_to="shop.example")
    paying.set_payer(**context, payer="ledger", is_enabled=True, max_amount=Decimal("0.5"), max_currency="USD", pay_to=["shop.example"])
    part = {"transaction_id": row["id"], "payment_id": row["payment"]["id"], "idempotency_key": "part"}
    paying.capture_payment(**context, **part, amount=Decimal("0.5"), final=False)
    paid = Payment.objects.get(tenant_id=context["tenant_id"])
    its = {"tenant_id": context["tenant_id"], "payment_id": paid.id, "pay_to": "shop.example", "created_at": timezone.now()}
    Collection.objects.create(**its, payee_tenant_id=context["tenant_id"], currency="USD", amount=Decimal("0.5"))
    token = {"network": "countinghouse:main", "scheme": "upto", "key_id": "1", "nonce_digest": b"0" * 32, "challenge": "{}"}
    PaymentToken.objects.create(**its, **token, authorization_id=paid.id, expires_at=paid.hold_expires_at)
    credits.consume(**context, customer_id="nobody", currency="USD", amount=Decimal(1), partial=True, reason="found nothing")


def fill_webhooks(context):
    its = {"tenant_id": context["tenant_id"]}
    endpoint = Endpoint.objects.create(**its, url="https://example.com/", enabled_events=["*"], headers={"x": "secret"}, created_by="test")
    SecretReading.objects.create(**its, endpoint=endpoint, generation=1, actor="test")
    credits.set_policy(**context, expiring_days=3)
    credits.set_balance_alert(**context, customer_id="maria", currency="USD", alert_below=Decimal("0.5"))


def fill_rules(context):
    """A rule that denies what its agent does."""
    agent = create_agent(**context, name="spender", label="Spender")["id"]
    count = limit("0.5", **COUNT, is_rolling=True, measurement_scope="all", include_estimates=True)
    parts = {"parameters": [count], "conditions": [condition("service", "equals", "dear")], "agent_ids": [agent]}
    create_rule(**context, name="r", rule_type="usage_limit", **parts)
    set_policy(**context, authorizes_at_once=True)
    record_transaction(**context, service_name="dear", action_name="a", resource_name="r", agent_name="spender")
    set_policy(**context, authorizes_at_once=False)


def fill_corrections(context):
    usage = billing.record_transaction(**context, amount=Decimal(3), type="usage", reference_id="wrong").row
    corrections.set_threshold(tenant_id=context["tenant_id"], actor="staff:1", unit="USD", amount=Decimal(1))
    draft = corrections.CorrectionDraft(
        tenant_id=context["tenant_id"],
        kind="billing.reverse",
        target_ids=(usage.id,),
        facts={},
        reason_code="duplicate",
        reason="Charged twice.",
    )
    evidence = corrections.EvidenceFile(name="log.txt", content_type="text/plain", content=b"\x00\xff")
    seen = corrections.preview_correction(actor="staff:1", draft=draft).digest
    asked = corrections.request_correction(actor="staff:1", request_id="r", draft=draft, preview_digest=seen, evidence=[evidence])
    corrections.add_comment(tenant_id=context["tenant_id"], actor="staff:2", correction_id=asked.id, text="Why?")


@pytest.fixture
def taken_out(tmp_path, book):
    """Each ledger's rows."""
    call_command("export_ledger", "acme", "all", "--format", "jsonl", "--output", str(tmp_path / "acme"))
    files = {path.name.removesuffix(".jsonl"): path.read_text().splitlines() for path in (tmp_path / "acme").iterdir()}
    return {name: [json.loads(line, parse_float=Decimal) for line in lines] for name, lines in files.items()}


@pytest.mark.django_db(transaction=True)
def test_every_row_of_every_table_is_in_a_file(taken_out, tenant):
    assert taken_out.keys() == EXPORTS.keys()
    # Of these a tenant has one, or one for each unit, and their ids say nothing.
    unnamed = {"billing_policy", "metering_policy", "corrections_threshold"}
    for model in apps.get_models():
        table = model._meta.db_table
        if not issubclass(model, TenantOwned) or table not in FOR_THE_RECORD:
            continue
        exported = json.dumps([rows for name, rows in taken_out.items() if table in EXPORTS[name].tables], default=str)
        ids = set(model.objects.filter(tenant=tenant).values_list("id", flat=True))
        assert ids, f"the test's ledger has no {table}"
        assert table in unnamed or {row_id for row_id in ids if str(row_id) not in exported} == set(), table
    assert [row["code"] for row in taken_out["billing-types"]] == ["topup", "unused", "usage"]
    [thresholds], [policy], [metering] = (taken_out[name] for name in ("correction-thresholds", "billing-policy", "metering-policy"))
    assert (thresholds["unit"], thresholds["amount"]) == ("USD", "1")
    assert (policy["strict_types"], policy["default_floor"]) == ("false", "-0.5")
    assert (metering["authorizes_at_once"], metering["stale_after_seconds"]) == ("false", "5400.000000")
    assert taken_out["credit-consumptions"][0]["taken"] == "0"


@pytest.mark.django_db(transaction=True)
def test_a_hold_is_exported_with_the_outcome_of_each_part(taken_out, tenant):
    first, released, active, part = taken_out["credit-holds"]
    assert [hold["status"] for hold in (first, released, active, part)] == ["captured", "released", "active", "active"]
    kept = Hold.objects.get(tenant=tenant, idempotency_key="h")
    assert (first["amount"], first["captured"], first["reason"]) == ("12.5", "11", "a cup of tea")
    assert first["facts_digest"] == bytes(kept.facts_digest).hex()
    assert [(line["grantId"], Decimal(line["amount"]), Decimal(line["remaining"])) for line in first["lines"]] == [
        (str(grant), amount, remaining)
        for grant, amount, remaining in HoldLine.objects.filter(tenant=tenant, hold_id=kept.id)
        .order_by("created_at", "id")
        .values_list("grant_id", "amount", "remaining")
    ]
    assert [(entry["kind"], Decimal(entry["amount"]), Decimal(entry["heldAfter"])) for entry in first["entries"]] == list(
        HoldEntry.objects.filter(tenant=tenant, hold_id=kept.id).order_by("created_at", "id").values_list("kind", "amount", "held_after")
    )
    captures = [row for row in taken_out["credit-transactions"] if row["kind"] == "capture"]
    assert {row["hold_id"] for row in captures} == {first["id"], part["id"]}


@pytest.mark.django_db(transaction=True)
def test_a_correction_is_exported_with_its_evidence_and_comments(taken_out):
    [correction] = taken_out["corrections"]
    assert (correction["state"], correction["reason"], correction["needs_approval"]) == ("waiting", "Charged twice.", "true")
    assert [part["content"] for part in correction["evidence"]] == ["\\x00ff"]
    assert [part["text"] for part in correction["comments"]] == ["Why?"]
    assert [(part["from_state"], part["to_state"]) for part in correction["changes"]] == [("", "waiting")]
    assert [(part["effect"], part["unit"]) for part in correction["entries"]] == [(3, "USD")]
    [reject] = taken_out["backfill-rejects"]
    assert b"two" in bytes.fromhex(reject["record"])


@pytest.mark.django_db(transaction=True)
def test_all_books_are_of_one_moment(tenant, context, tmp_path, monkeypatch):
    """What is posted while the first file is written is in none of them."""
    billing.record_transaction(**context, amount=Decimal(1), type="topup", reference_id="before")
    from backoffice.management.commands import export_ledger

    write, books = export_ledger.write_export, []

    def post_meanwhile():
        billing.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="meanwhile")
        connection.close()

    def write_and_post(export, **more):
        if not books:
            books.append(export.name)
            count = write(export, **more)
            other = threading.Thread(target=post_meanwhile)
            other.start()
            other.join()
            return count
        return write(export, **more)

    monkeypatch.setattr(export_ledger, "write_export", write_and_post)
    call_command("export_ledger", "acme", "all", "--format", "jsonl", "--output", str(tmp_path))
    [wallet] = map(json.loads, (tmp_path / "billing-wallets.jsonl").read_text().splitlines())
    assert (wallet["balance"], wallet["last_entry_number"]) == ("1", "1")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("all",), "All ledgers need a folder"),
        (("credit-grants", "--format", "csv", "--output", "a.jsonl"), "doesn't go with a file called a.jsonl"),
        (("credit-grants", "--format", "parquet"), "add --output"),
        (("credit-grants", "--output", "a.parquet.gz"), "leave out .gz"),
    ],
)
def test_what_can_not_be_meant_is_refused(tenant, arguments, why):
    with pytest.raises(CommandError, match=why) as refused:
        call_command("export_ledger", "acme", *arguments)
    assert refused.value.returncode == 2


@pytest.mark.django_db
def test_the_files_name_says_the_format_and_what_fails_leaves_no_file(tenant, tmp_path, monkeypatch):
    path = tmp_path / "grants.ndjson"
    credits.create_grant(
        tenant_id=tenant.id,
        actor="command:test",
        request_id="",
        customer_id="maria",
        name="x",
        unit_type="CURRENCY",
        currency="USD",
        amount=Decimal(1),
    )
    call_command("export_ledger", "acme", "credit-grants", "--output", str(path))
    assert json.loads(path.read_text())["amount"] == "1"
    from backoffice.management.commands import export_ledger

    def stopped(*args, file, **more):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(export_ledger, "write_export", stopped)
    with pytest.raises(CommandError, match="Stopped on request") as refused:
        call_command("export_ledger", "acme", "credit-grants", "--output", str(tmp_path / "new.csv"))
    assert refused.value.returncode == 130
    assert [one.name for one in tmp_path.iterdir()] == ["grants.ndjson"]
    with pytest.raises(CommandError, match="can't be written"):
        call_command("export_ledger", "acme", "credit-grants", "--output", str(path / "below-a-file.csv"))


@pytest.mark.django_db
def test_another_tenants_rows_are_in_no_file(tenant, context, tmp_path):
    fill_settings(context)
    fill_holds(context)
    fill_corrections(context)
    TenantFactory(slug="outsider")
    for name in EXPORTS:
        path = tmp_path / f"{name}.jsonl"
        call_command("export_ledger", "outsider", name, "--output", str(path))
        assert path.read_bytes() == b"", name
