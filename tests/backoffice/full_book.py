"""A tenant with at least one row in every table that has an admin page."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from backoffice.integrity.runs import save_integrity_run
from backoffice.models import ClosedDay, Customer, DaySum, Export, KeptDuplicate, SavedView, SignIn
from billing import services as billing
from credits import services as credits
from kernel.backfills.models import BackfillReject, BackfillRun, BackfillShare, BackfillUpload, BackfillUploadStep
from kernel.backfills.reading.options import ReadingOptions
from kernel.corrections import services as corrections
from kernel.events.models import Attempt, Delivery
from kernel.events.services import endpoints
from kernel.events.services.fan_out import fan_out
from kernel.ledger.identifiers import new_id
from kernel.tenants.models import StaffProfile, StaffTenant
from metering import services as metering
from metering.paying import services as paying
from metering.rules import services as rules
from metering.selectors import list_agents
from tests.factories import IssuedKeyFactory


def fill_every_table(tenant, user):
    """`user`: a member of staff, who owns the rows that belong to staff."""
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": "test"}
    IssuedKeyFactory(tenant=tenant)
    fill_billing(context)
    fill_metering(context)
    fill_paying(context)
    fill_rules(context)
    fill_usage(context)
    fill_credits(context)
    fill_corrections(context)
    fill_events(context)
    fill_backfills(tenant)
    fill_backoffice(tenant, user)


def fill_billing(context):
    billing.set_policy(**context, near_duplicate_seconds=60)
    billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="first", metadata='{"a": 1.50}')
    usage = billing.record_transaction(**context, amount=Decimal(3), type="usage", reference_id="second", agent_id="bot").row
    billing.reverse_transaction(**context, transaction_id=usage.id, reason_code="duplicate")
    hold = billing.place_hold(**context, amount=Decimal(5), expires_at=timezone.now() + timedelta(days=1), reference_id="hold").row
    billing.capture_hold(**context, hold_id=hold.id, amount=Decimal(1), final=False, reference_id="part")


def fill_metering(context):
    metering.set_policy(**context, stale_after=timedelta(hours=1))
    units = [{"fact_key": "tokens", "amount": Decimal("0.01")}]
    metering.set_price(**context, service_name="model", units=units, valid_from=datetime(2026, 1, 1, tzinfo=UTC))
    cost = {"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": True, "cost_details": '{"model": "m"}'}
    names = {"service_name": "model", "action_name": "a", "resource_name": "r", "agent_name": "bot", "trace_external_id": "t"}
    row = metering.record_transaction(**context, **names, costs=[cost]).row
    metering.record_fact(
        **context, transaction_id=row["id"], facts='{"tokens": 5}', source="sdk", version="1", fact_phase="response", idempotency_key="f"
    )


def fill_paying(context):
    metering.set_policy(**context, holds_estimates=True)
    cost = {"fiat_amount": Decimal(2), "fiat_asset_symbol": "USD", "is_estimate": True}
    held = metering.record_transaction(**context, service_name="model", action_name="a", resource_name="r", costs=[cost]).row
    its = {"transaction_id": held["id"], "payment_id": held["payment"]["id"]}
    paying.capture_payment(**context, **its, amount=Decimal(1), final=False, idempotency_key="part")
    metering.set_policy(**context, holds_estimates=False)
    paying.set_payer(**context, payer="ledger", is_enabled=True, max_amount=Decimal(50), max_currency="USD")
    paying.set_payee(**context, pay_to=f"shop-{context['tenant_id']}")
    row = metering.record_transaction(**context, service_name="model", action_name="a", resource_name="r").row
    option = {"scheme": "exact", "network": "countinghouse:main", "asset": "USD", "amount": "1", "payTo": f"shop-{context['tenant_id']}"}
    x402 = json.dumps({"x402Version": 2, "accepts": [option]})
    paid = metering.reauthorize_transaction(**context, transaction_id=row["id"], x402=x402).row["payment"]
    paying.settle_payment(**context, payload=paid["authorization_payload"], requirements=json.dumps(option))


def fill_rules(context):
    [agent] = list_agents(tenant_id=context["tenant_id"])
    parameter = {"limit_value": Decimal(10), "measurement_type": "sum_transaction_costs", "interval_value": 1, "interval_unit": "days"}
    settings = {"is_rolling": True, "group_by": [], "measurement_scope": "rule", "include_estimates": True, "currency": "USD"}
    condition = {"field_type": "service", "field_name": None, "operator": "equals", "value": "model", "condition_group": "primary"}
    rules.create_rule(
        **context,
        name="Daily cap",
        rule_type="usage_limit",
        parameters=[parameter | settings | {"time_zone": "UTC"}],
        conditions=[condition],
        agent_ids=[agent["id"]],
    )
    # One call is let through, the other one would exceed the limit.
    for amount in (Decimal(1), Decimal(100)):
        cost = {"fiat_amount": amount, "fiat_asset_symbol": "USD", "is_estimate": True}
        names = {"service_name": "model", "action_name": "a", "resource_name": "r", "agent_name": "bot"}
        metering.record_transaction(**context, **names, costs=[cost])


def fill_usage(context):
    """One transaction is counted, and then changes."""
    metering.declare_key(**context, place="metadata", name="region")
    row = metering.record_transaction(**context, service_name="model", action_name="a", resource_name="r", costs=[]).row
    metering.count_usage(tenant_id=context["tenant_id"])
    metering.record_fact(
        **context, transaction_id=row["id"], facts='{"tokens": 5}', source="sdk", version="1", fact_phase="response", idempotency_key="u"
    )


def fill_credits(context):
    facts = {"customer_id": "maria", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(10)}
    credits.create_grant(**context, **facts, name="Prepaid")
    credits.create_recurring_grant(**context, **facts, name="Monthly")
    hold = {"customer_id": "maria", "currency": "USD", "expires_at": timezone.now() + timedelta(hours=1)}
    placed = credits.place_hold(**context, **hold, amount=Decimal(2))
    credits.capture_hold(**context, customer_id="maria", hold_id=placed.row.id, amount=Decimal(1), final=False, idempotency_key="part")
    credits.consume(**context, customer_id="maria", currency="USD", amount=Decimal(1), invoice_id="INV-1")
    credits.set_policy(**context, expiring_days=14)
    credits.set_balance_alert(**context, customer_id="maria", currency="USD", alert_below=Decimal(5))


def fill_corrections(context):
    corrections.set_threshold(tenant_id=context["tenant_id"], actor="staff:1", unit="USD", amount=Decimal(1))
    usage = billing.record_transaction(**context, amount=Decimal(4), type="usage", reference_id="wrong").row
    draft = corrections.CorrectionDraft(context["tenant_id"], "billing.reverse", (usage.id,), {}, "duplicate", "Charged twice.")
    request = corrections.request_correction(
        actor="staff:1",
        request_id="r",
        draft=draft,
        preview_digest=corrections.preview_correction(actor="staff:1", draft=draft).digest,
        evidence=[corrections.EvidenceFile("log.txt", "text/plain", b"\x00\xff")],
    )
    corrections.add_comment(tenant_id=context["tenant_id"], actor="staff:2", correction_id=request.id, text="Why?")


def fill_events(context):
    audit = {name: context[name] for name in ("tenant_id", "actor", "request_id")}
    endpoint = endpoints.create_endpoint(**audit, url="https://example.com/hooks", enabled_events=["*"], idempotency_key="k").row
    endpoints.reveal_secret(**audit, endpoint_id=endpoint.id)
    billing.record_transaction(**context, amount=Decimal(1), type="topup", reference_id="of an event")
    fan_out()
    delivery = Delivery.objects.filter(tenant_id=context["tenant_id"]).first()
    Attempt.objects.create(
        tenant_id=delivery.tenant_id,
        delivery=delivery,
        number=1,
        at=timezone.now(),
        duration_ms=84,
        status_code=500,
        error="answered 500",
        request_headers={"webhook-id": "evt_1"},
        response_head="<b>no</b>",
    )


def fill_backfills(tenant):
    run = BackfillRun.objects.create(
        tenant=tenant,
        command="backfill_billing_transactions",
        source="old.csv",
        format="csv",
        file_digest="0" * 64,
        file_size=1,
        plan_digest="0" * 64,
        options=ReadingOptions().as_json(),
        plan={"rows": 1, "columns": ["a"], "counts": {}, "sums": {}},
        rows=1,
        actor="command:backfill_billing_transactions",
        started_by="root",
    )
    BackfillShare.objects.create(tenant=tenant, run=run, number=0)
    BackfillReject.objects.create(tenant=tenant, run=run, line=1, code="invalid_value", why="no amount", record=b"x")

    upload = BackfillUpload.objects.create(
        tenant=tenant,
        command=run.command,
        file_name="old.csv",
        file_size=1,
        file_digest="0" * 64,
        run=run,
        state="planned",
        actor="staff:1",
        problem="",
    )
    BackfillUploadStep.objects.create(tenant=tenant, upload=upload, what="uploaded", actor="staff:1")


def fill_backoffice(tenant, user):
    StaffTenant.objects.create(profile=StaffProfile.objects.create(user=user, sees_all_tenants=True), tenant=tenant)
    KeptDuplicate.objects.create(tenant=tenant, transaction_id=new_id(), reason="Two orders.", decided_by="staff:1")
    Customer.objects.create(tenant=tenant, customer_id="maria", name="Maria", updated_by="staff:1")
    Export.objects.create(user=user, title="transactions", source="/admin/billing/transaction/", format="xlsx")
    SignIn.objects.create(user=user, name_digest="0" * 64, outcome="ok")
    SavedView.objects.create(user=user, name="Mine", path="/admin/billing/transaction/")
    yesterday = timezone.now().date() - timedelta(days=1)
    ClosedDay.objects.get_or_create(day=yesterday)
    DaySum.objects.create(tenant=tenant, day=yesterday, occurred_on=yesterday, unit="USD", figure="granted", entries=1, amount=Decimal(1))
    save_integrity_run(tenant_id=tenant.id, ledgers=["billing"], checks=[{"check": "balances", "seconds": 0.1, "violations": []}])
