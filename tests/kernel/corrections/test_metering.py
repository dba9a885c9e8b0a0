"""Metered transactions put right, through the request that every correction takes."""

from decimal import Decimal

import pytest

from kernel.corrections import services
from kernel.corrections.errors import CorrectionRefused
from metering.models import Cost, StatusChange, Transaction
from metering.services import complete_transaction, record_transaction
from tests.kernel.corrections.conftest import REQUESTER

WHO = {"actor": "command:test", "request_id": "test"}


@pytest.fixture
def metered(tenant):
    cost = {"fiat_amount": Decimal("1.25"), "fiat_asset_symbol": "USD", "is_estimate": True}
    names = {"service_name": "s", "action_name": "a", "resource_name": "r"}
    recorded = record_transaction(tenant_id=tenant.id, **WHO, **names, costs=[cost])
    return Transaction.objects.get(id=recorded.row["id"])


def test_a_transaction_is_cancelled_at_once_because_it_moves_no_money(metered, draft, ask):
    correction = ask(draft(metered, kind="metering.cancel"))
    metered.refresh_from_db()
    assert (correction.state, correction.size, metered.status) == ("posted", {"USD": "0"}, "cancelled")
    change = StatusChange.objects.get(to_status="cancelled")
    assert (change.request_id, change.actor) == (f"correction:{correction.id}", REQUESTER)


def test_a_completed_transaction_is_not_cancelled(tenant, metered, draft):
    complete_transaction(tenant_id=tenant.id, **WHO, transaction_id=metered.id, outcome="success")
    with pytest.raises(CorrectionRefused):
        services.preview_correction(actor=REQUESTER, draft=draft(metered, kind="metering.cancel"))


@pytest.mark.parametrize(("kind", "facts", "amount"), [("metering.supersede", {"amount": "2"}, "2"), ("metering.waive", {}, "0")])
def test_a_cost_is_superseded_and_its_preview_is_a_change_of_the_total(metered, draft, ask, threshold, kind, facts, amount):
    threshold("5")
    cost = Cost.objects.get()
    correction = ask(draft(cost, kind=kind, facts=facts))
    entry = correction.entries.get()
    assert (entry.balance_before, entry.balance_after) == (Decimal("1.25"), Decimal(amount))
    cost.refresh_from_db()
    assert not cost.is_active
    assert Cost.objects.get(is_active=True).fiat_amount == Decimal(amount)
