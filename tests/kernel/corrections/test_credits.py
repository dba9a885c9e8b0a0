"""Credit put right, through the request that every correction takes."""

from decimal import Decimal

import pytest

from credits import services as credits
from credits.models import CreditTransaction, Grant
from kernel.corrections import services
from kernel.corrections.errors import CorrectionRefused, NothingToCorrect
from kernel.corrections.kinds import get_kind
from tests.kernel.corrections.conftest import REQUESTER

WHO = {"actor": "command:test", "request_id": "test"}


@pytest.fixture
def grant(tenant):
    def grant(name, amount="100", **more):
        facts = {"customer_id": "cust-1", "unit_type": "CURRENCY", "currency": "USD"} | more
        return credits.create_grant(tenant_id=tenant.id, **WHO, name=name, amount=Decimal(amount), **facts).row

    return grant


@pytest.fixture
def debit(tenant):
    def debit(grant, amount="30", invoice_id="INV-1"):
        facts = {"grant_id": grant.id, "type": "DEBIT", "amount": Decimal(amount), "invoice_id": invoice_id}
        return credits.record_transaction(tenant_id=tenant.id, **WHO, **facts).row

    return debit


def balance(grant):
    return Grant.objects.get(id=grant.id).balance


def test_a_debit_is_reversed(grant, debit, draft, ask, threshold):
    threshold("1000")
    first = grant("Prepaid")
    correction = ask(draft(debit(first), kind="credits.reverse"))
    row = CreditTransaction.objects.get(kind="reversal")
    assert (balance(first), row.request_id, row.actor) == (Decimal(100), f"correction:{correction.id}", REQUESTER)


def test_a_debit_moves_to_another_grant_for_the_same_invoice_and_counts_once(grant, debit, draft, ask, threshold):
    threshold("30")
    wrong, right = grant("Welcome"), grant("Prepaid")
    correction = ask(draft(debit(wrong), kind="credits.move", facts={"grant_id": str(right.id)}))
    assert (correction.state, correction.size) == ("posted", {"USD": "30"})
    assert (balance(wrong), balance(right)) == (Decimal(100), Decimal(70))
    moved = CreditTransaction.objects.get(grant_id=right.id, type="DEBIT")
    assert (moved.invoice_id, moved.request_id) == ("INV-1", f"correction:{correction.id}")


def test_a_move_to_another_customers_grant_is_remarked_on(tenant, grant, debit):
    cautions = get_kind("credits.move").cautions
    wrong, right, foreign = grant("Welcome"), grant("Prepaid"), grant("Other", customer_id="cust-2")
    row = debit(wrong)
    assert cautions(tenant.id, [row.id], {"grant_id": str(right.id)}) == []
    [sentence] = cautions(tenant.id, [row.id], {"grant_id": str(foreign.id)})
    assert "cust-2 pays instead of cust-1" in sentence


def test_a_move_to_a_grant_that_can_not_bear_it_moves_nothing(grant, debit, draft):
    wrong, small = grant("Welcome"), grant("Small", "5")
    with pytest.raises(CorrectionRefused):
        services.preview_correction(actor=REQUESTER, draft=draft(debit(wrong), kind="credits.move", facts={"grant_id": str(small.id)}))
    assert (balance(wrong), balance(small)) == (Decimal(70), Decimal(5))


@pytest.mark.parametrize(("amount", "after"), [("12.5", "112.5"), ("-12.5", "87.5")])
def test_a_grant_is_adjusted_up_and_down(grant, draft, ask, threshold, amount, after):
    threshold("1000")
    first = grant("Prepaid")
    ask(draft(first, kind="credits.adjust", facts={"amount": amount}))
    assert balance(first) == Decimal(after)


def test_a_metric_grant_counts_in_its_metric(grant, draft, ask, threshold):
    threshold("50", "tokens")
    first = grant("Tokens", unit_type="METRIC", metric_id="tokens")
    assert ask(draft(first, kind="credits.adjust", facts={"amount": "50"})).size == {"tokens": "50"}


def test_grants_are_voided_together_and_once(grant, draft, ask, threshold):
    threshold("1000")
    first, second = grant("A"), grant("B", "5")
    ask(draft(first, second, kind="credits.void"))
    assert (balance(first), balance(second)) == (Decimal(0), Decimal(0))
    assert {row.status for row in Grant.objects.all()} == {"voided"}
    with pytest.raises(NothingToCorrect):
        services.preview_correction(actor=REQUESTER, draft=draft(first, kind="credits.void"))
