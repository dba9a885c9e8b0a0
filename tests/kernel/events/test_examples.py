"""The example of each type, as the catalogue shows it, has the shape of the bodies that are really sent."""

import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.utils import timezone

from billing import services as billing
from credits import services as credits
from kernel.events import registry
from kernel.events.models import Event
from kernel.events.rendering import body_of
from kernel.events.services import endpoints
from kernel.ledger.errors import LedgerError
from kernel.tenants import services as tenants
from metering import services as metering
from metering.paying import services as paying
from metering.rules import services as rules
from tests.kernel.events.test_registry import MEMBERS
from tests.paying.book import PayingBook, cost
from tests.paying.shop import Market, challenge

pytestmark = pytest.mark.django_db
# Members that credits leaves out where they are absent.
OMITTED = {"billingRunId", "chosenBy", "closedAt", "consumptionId", "costBasis", "expiryDate", "holdId", "invoiceId", "metricId", "reason"}
# Their bodies are made by kernel.events.services.endpoint_tests, and tested there.
ELSEWHERE = {"webhook.test"}
AUDIT = {"actor": "command:test", "request_id": "r"}


def shape(value):
    """The members and the types of a value. Null may stand for anything, and an empty list for any list."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def differences(example, sent, path=""):
    """What an example has otherwise than a body that was sent."""
    if isinstance(example, dict) and isinstance(sent, dict):
        for name in sorted(set(example) | set(sent)):
            if (name not in example or name not in sent) and name in OMITTED:
                continue
            if name not in example or name not in sent:
                yield f"{path}.{name} is in the {'example' if name in example else 'body'} only"
            else:
                yield from differences(example[name], sent[name], f"{path}.{name}")
    elif isinstance(example, list) and isinstance(sent, list):
        if example and sent:
            yield from differences(example[0], sent[0], f"{path}.0")
    elif example != sent and "NoneType" not in (example, sent):
        yield f"{path}: {example} in the example, {sent} in the body"


def happen_in_billing(context):
    billing.record_transaction(**context, amount=Decimal(10), type="topup", reference_id="1", metadata='{"a": 1}')
    billing.set_floor(**context, currency="USD", floor=Decimal(0))
    billing.set_alert(**context, currency="USD", alert_below=Decimal(5))
    usage = billing.record_transaction(**context, amount=Decimal(7), type="usage", reference_id="2", agent_id="bot").row
    with pytest.raises(LedgerError):
        billing.record_transaction(**context, amount=Decimal(70), type="usage", reference_id="3")
    billing.reverse_transaction(**context, transaction_id=usage.id, reason_code="duplicate", reason="Failed")
    end = timezone.now() + timedelta(hours=1)
    for number, close in enumerate((billing.capture_hold, billing.release_hold)):
        hold = billing.place_hold(**context, amount=Decimal(1), expires_at=end, reference_id=f"hold {number}", reason="Call").row
        billing.extend_hold(**context, hold_id=hold.id, expires_at=end + timedelta(hours=1), reference_id=f"later {number}")
        close(**context, hold_id=hold.id)
    billing.place_hold(**context, amount=Decimal(1), expires_at=end, reference_id="hold 2", reason="Call")
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        list(billing.expire_holds(**AUDIT))


def happen_in_metering(context):
    names = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt", "agent_name": "bot"}
    cost = {"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": True}

    def create(**facts):
        return metering.record_transaction(**context, **names, costs=[cost], **facts).row

    made = create()
    its = {**context, "transaction_id": made["id"]}
    metering.record_cost(**its, **cost | {"is_estimate": False}, supersedes_cost_id=made["costs"][0]["id"])
    metering.complete_transaction(**its, outcome="success")
    metering.cancel_transaction(**context, transaction_id=create()["id"], reason="No answer")
    create()
    metering.set_policy(**context, stale_after=timedelta(microseconds=1))
    metering.close_stale_transactions(**AUDIT, tenant_id=context["tenant_id"])
    metering.set_policy(**context, stale_after=None, authorizes_at_once=False)
    its = {**context, "transaction_id": create()["id"]}
    metering.prepare_transaction(**its)
    metering.deny_transaction(**its, reason="Too much")


def happen_to_rules(context):
    parameter = {"limit_value": Decimal(10), "measurement_type": "sum_transaction_costs", "interval_value": 24, "interval_unit": "hours"}
    shape_of_limit = {"group_by": ["agent"], "measurement_scope": "all", "include_estimates": True, "currency": "USD", "time_zone": "UTC"}
    parameters = [parameter | shape_of_limit | {"is_rolling": True, "parameter_name": None, "description": None}]
    made = rules.create_rule(**context, name="Cap", rule_type="usage_limit", parameters=parameters, notify_at=[Decimal("0.8")]).row
    its = {**context, "reference": str(made["id"])}
    metering.set_policy(**context, authorizes_at_once=True)
    names = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt", "agent_name": "writer"}
    cost = {"fiat_amount": Decimal(7), "fiat_asset_symbol": "USD", "is_estimate": True}
    let_through = metering.record_transaction(**context, **names, costs=[cost]).row
    more = cost | {"fiat_amount": Decimal(12), "supersedes_cost_id": let_through["costs"][0]["id"]}
    metering.record_cost(**context, transaction_id=let_through["id"], **more)
    metering.record_transaction(**context, **names, costs=[cost])
    rules.change_rule(**its, version=1, name="Daily cap")
    rules.archive_rule(**its, version=2)
    rules.restore_rule(**its, version=3)


def happen_in_credits(context):
    facts = {"customer_id": "c1", "unit_type": "CURRENCY", "currency": "USD", "name": "Prepaid", "cost_of_credit": Decimal(8)}
    today = timezone.now().date()
    credits.set_balance_alert(**context, customer_id="c1", currency="USD", alert_below=Decimal(50))
    credits.create_grant(**context, **facts, amount=Decimal(100), effective_date=date(2020, 1, 1), expiry_date=today + timedelta(days=3))
    draw = {"customer_id": "c1", "currency": "USD"}
    credits.consume(**context, **draw, amount=Decimal(10), invoice_id="INV-1")
    end = timezone.now() + timedelta(hours=1)
    for close in (credits.capture_hold, credits.release_hold):
        hold = credits.place_hold(**context, **draw, amount=Decimal(5), expires_at=end)
        later = end + timedelta(hours=1)
        credits.extend_hold(**context, customer_id="c1", hold_id=hold.row.id, expires_at=later, idempotency_key=f"{hold.row.id}")
        close(**context, customer_id="c1", hold_id=hold.row.id)
    credits.place_hold(**context, **draw, amount=Decimal(5), expires_at=end)
    list(credits.announce_expiring_grants())
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        list(credits.expire_holds(**AUDIT))
    credits.consume(**context, **draw, amount=Decimal(60))
    with time_machine.travel(timezone.now() + timedelta(days=5)):
        list(credits.expire_grants(**AUDIT))
    credits.create_grant(**context, **facts, amount=Decimal(1))
    credits.consume(**context, **draw, amount=Decimal(1))
    mistake = credits.create_grant(**context, **facts, amount=Decimal(1))
    credits.void_grant(**context, grant_id=mistake.row.id, reason="Mistake")


def happen_to_payments():
    """In a tenant of its own: one that prepays."""
    book = PayingBook(credit=6)
    endpoints.create_endpoint(**book.who, url="https://example.com/hooks", enabled_events=["payment.*"])
    released, expired, captured, failed = book.record(cost(1)), book.record(cost(1)), book.record(cost(4)), book.record()
    its = {**book.who, "transaction_id": captured["id"], "payment_id": book.payment(captured).id, "idempotency_key": "a"}
    paying.capture_payment(**its, amount=Decimal(1), final=False)
    paying.extend_payment(**its, expires_at=book.payment(captured).hold_expires_at + timedelta(hours=1))
    paying.release_payment(**book.who, payment_id=book.payment(released).id, reason="Mistake")
    book.move_clock(book.payment(expired))
    paying.expire_payments(**AUDIT)
    for row in (captured, failed):
        book.add_cost(row, 900)
        book.complete(row)


def happen_to_challenges():
    """A resource answers 402, twice, and verifies the second payment."""
    market = Market()
    endpoints.create_endpoint(**market.who, url="https://example.com/hooks", enabled_events=["payment.presented", "payment.cancelled"])
    created = market.create()
    market.ask(created)
    market.verify(market.ask(created, challenge("8")).json()["payment"])


def happen_to_keys_and_endpoints(tenant, context):
    issued = tenants.create_api_key(tenant=tenant, name="Checkout", actor="command:test", scopes=["billing:read"], expires_at=None)
    tenants.revoke_api_key(prefix=issued.key.prefix, actor="command:test")
    other = endpoints.create_endpoint(**context, url="https://example.com/other", enabled_events=["*"]).row
    endpoints.disable_endpoint(**context, endpoint_id=other.id)


def test_the_example_of_each_type_has_the_shape_of_what_is_sent(tenant):
    context = {"tenant_id": tenant.id, **AUDIT}
    endpoints.create_endpoint(**context, url="https://example.com/hooks", enabled_events=["*"])
    happen_in_billing(context)
    happen_in_metering(context)
    happen_to_rules(context)
    happen_in_credits(context)
    happen_to_keys_and_endpoints(tenant, context)
    happen_to_payments()
    happen_to_challenges()
    sent = {event.type: json.loads(body_of(event)) for event in Event.objects.order_by("id")}
    assert {each.name for each in registry.list_types()} - set(sent) - ELSEWHERE == set()
    wrong = {}
    for name, body in sent.items():
        example = registry.get_type(name).example
        assert list(body) == MEMBERS
        found = list(differences(shape(example["data"]), shape(body["data"])))
        if (example["account"] or "").partition(":")[0] != (body["account"] or "").partition(":")[0]:
            found.append(f"account: {example['account']} in the example, {body['account']} in the body")
        if found:
            wrong[name] = found
    assert wrong == {}
