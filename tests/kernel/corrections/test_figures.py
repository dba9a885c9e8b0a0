"""Which figures of the dashboard each kind of correction changes."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from backoffice.dashboard.day_sums import day_rows
from backoffice.models import Customer
from billing.models import Wallet
from credits import services as credits
from credits.correction_kinds import EXTENDED
from kernel.corrections.kinds import _KINDS, CorrectionInput, correction_key
from metering.services import record_transaction

WHO = {"actor": "staff:1", "request_id": "test"}
NOTHING: dict[str, str] = {}


def test_each_kind_changes_the_figures_that_it_should(tenant, usage):
    """A kind that isn't named here fails: say what it changes, and how day_sums knows."""
    its = {"tenant_id": tenant.id, **WHO}
    of_customer = {"customer_id": "c", "unit_type": "CURRENCY", "currency": "USD", "name": "g", "amount": Decimal(100)}
    soon = timezone.now().date() + timedelta(days=10)
    grant, other = (credits.create_grant(**its, **of_customer, expiry_date=soon) for _ in range(2))
    debit = credits.record_transaction(**its, grant_id=grant.row.id, type="DEBIT", amount=Decimal(30))
    cost = {"fiat_amount": Decimal(5), "fiat_asset_symbol": "USD", "is_estimate": False}
    call = record_transaction(**its, service_name="s", action_name="a", resource_name="r", costs=[cost]).row
    wallet = Wallet.objects.get(tenant=tenant)
    customer = Customer.objects.create(tenant=tenant, customer_id="c", name="C")
    later = str(soon + timedelta(days=5))
    new_grant = {"name": "n", "amount": "50", "currency": "USD", "category": "paid"}
    kinds = {
        "billing.reverse": (usage.id, {}, {"billed": "-30.5"}),
        "billing.reverse_part": (usage.id, {"amount": "10"}, {"billed": "-10"}),
        "billing.open_wallet": (tenant.id, {"currency": "EUR", "amount": "5"}, NOTHING),
        "billing.adjust_beside": (usage.id, {"amount": "3"}, {"wallet_adjusted": "3"}),
        "billing.adjust": (wallet.id, {"amount": "-3"}, {"wallet_adjusted": "-3"}),
        "credits.reverse": (debit.row.id, {}, {"consumed": "-30"}),
        "credits.move": (debit.row.id, {"grant_id": str(other.row.id)}, NOTHING),
        "credits.adjust": (grant.row.id, {"amount": "-2"}, {"credit_adjusted": "-2"}),
        "credits.extend": (grant.row.id, {"expiry_date": later}, NOTHING),
        "credits.void": (grant.row.id, {}, NOTHING),
        "backoffice.grant": (customer.id, new_grant, {"granted": "50"}),
        # The figures of metering are sums of active costs, also of those that a correction wrote.
        "metering.supersede": (call["costs"][0]["id"], {"amount": "4"}, NOTHING),
        "metering.waive": (call["costs"][0]["id"], {}, NOTHING),
        "metering.cancel": (call["id"], {}, NOTHING),
    }
    assert set(kinds) == set(_KINDS)
    before = figures()
    for code, (target_id, facts, changed) in kinds.items():
        with transaction.atomic():
            asked = {"target_id": target_id, "facts": facts, "reason_code": "goodwill", "reason": "Said so."}
            assert _KINDS[code].post(CorrectionInput(**its, **asked, key=correction_key(uuid4(), target_id))), code
            after = figures()
            transaction.set_rollback(True)
        change = {name: after.get(name, 0) - before.get(name, 0) for name in {*before, *after}}
        assert {name: amount for name, amount in change.items() if amount} == {name: Decimal(text) for name, text in changed.items()}, code


def test_a_callers_own_key_makes_no_correction_of_what_it_posts(tenant):
    """Callers may choose keys that look like those of corrections; what they post counts as what it is."""
    its = {"tenant_id": tenant.id, "actor": f"api_key:{uuid4()}", "request_id": f"correction:{uuid4()}"}
    keys = [correction_key(uuid4(), uuid4()) for _ in range(3)]
    of_customer = {"customer_id": "c", "unit_type": "CURRENCY", "currency": "USD", "name": "g", "amount": Decimal(100)}
    grant = credits.create_grant(**its, **of_customer, idempotency_key=f"{keys[0]}{EXTENDED}")
    wrong, _ = (
        credits.record_transaction(**its, grant_id=grant.row.id, type="DEBIT", amount=Decimal(30), idempotency_key=key) for key in keys[1:]
    )
    assert figures() == {"granted": Decimal(100), "consumed": Decimal(60)}
    credits.reverse_transaction(**its, transaction_id=wrong.row.id, reason="r", idempotency_key="back")
    assert figures() == {"granted": Decimal(100), "consumed": Decimal(30)}


def figures():
    sums = {}
    for row in day_rows(timezone.now().date()):
        if not row["customer_id"]:
            sums[row["figure"]] = sums.get(row["figure"], Decimal(0)) + row["amount"]
    return sums
