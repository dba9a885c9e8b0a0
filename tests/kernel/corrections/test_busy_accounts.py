"""Postings on the same account between the preview of a correction and its confirmation: every kind is posted all the same."""

from datetime import date
from decimal import Decimal

import pytest

from billing import services as billing
from billing.models import Wallet
from credits import services as credits
from kernel.corrections import post_correction, services
from kernel.corrections.errors import CorrectionRefused, PreviewMoved
from kernel.corrections.kinds import get_kind
from kernel.corrections.selectors import list_entries
from metering.models import Cost, Transaction
from metering.services import complete_transaction, record_cost, record_transaction
from tests.kernel.corrections.conftest import OTHER, REQUESTER

WHO = {"actor": "command:test", "request_id": "test"}
KINDS = {
    "billing.reverse": {},
    "billing.reverse_part": {"amount": "10"},
    "billing.adjust_beside": {"amount": "-4.5"},
    "billing.adjust": {"amount": "-60"},
    "credits.reverse": {},
    "credits.move": {"grant_id": "the other grant"},
    "credits.adjust": {"amount": "-5"},
    "credits.extend": {"expiry_date": "2090-01-01"},
    "credits.void": {},
    "metering.supersede": {"amount": "2"},
    "metering.waive": {},
    "metering.cancel": {},
}


class Books:
    """An account of each ledger, with a row for each kind of correction, and somebody who goes on posting on them."""

    def __init__(self, tenant, record):
        self.tenant, self.record, self.posted = tenant, record, 0
        record("100", type="topup", reference_id="top")
        self.usage = record("30.5", reference_id="usage")
        facts = {"customer_id": "ada", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(100)}
        self.grant, self.other_grant = (
            credits.create_grant(tenant_id=tenant.id, **WHO, **facts, name=name, **more).row
            for name, more in (("A", {"expiry_date": date(2089, 1, 1)}), ("B", {}))
        )
        self.debit = self.draw("30", self.grant)
        names = {"service_name": "s", "action_name": "a", "resource_name": "r"}
        cost = {"fiat_amount": Decimal("1.25"), "fiat_asset_symbol": "USD", "is_estimate": True}
        self.call = Transaction.objects.get(id=record_transaction(tenant_id=tenant.id, **WHO, **names, costs=[cost]).row["id"])

    def draw(self, amount, grant, type="DEBIT"):
        return credits.record_transaction(
            tenant_id=self.tenant.id, **WHO, grant_id=grant.id, type=type, amount=Decimal(amount), invoice_id="i"
        ).row

    def post_on_every_account(self):
        self.posted += 1
        self.record("0.01", reference_id=f"other {self.posted}")
        for grant in (self.grant, self.other_grant):
            self.draw("0.01", grant)
        cost = {"fiat_amount": Decimal("0.01"), "fiat_asset_symbol": "USD", "is_estimate": False}
        record_cost(tenant_id=self.tenant.id, **WHO, transaction_id=self.call.id, **cost)

    def row_for(self, kind):
        rows = {
            "billing.transaction": self.usage,
            "billing.wallet": Wallet.objects.get(),
            "credits.credittransaction": self.debit,
            "credits.grant": self.grant,
            "metering.cost": Cost.objects.earliest("id"),
            "metering.transaction": self.call,
        }
        return rows[get_kind(kind).model_label]

    def end(self, kind):
        """Do to the row what the correction can't be posted on any more."""
        its = {"tenant_id": self.tenant.id, **WHO}
        match get_kind(kind).model_label:
            case "billing.transaction":
                billing.reverse_transaction(**its, transaction_id=self.usage.id, reason_code="other")
            case "billing.wallet":
                billing.set_floor(tenant_id=self.tenant.id, actor="x", request_id="", currency="USD", floor=Decimal(0))
                self.record("20", reference_id="last")
            case "credits.credittransaction":
                credits.reverse_transaction(**its, transaction_id=self.debit.id, reason="x")
            case "credits.grant":
                credits.void_grant(**its, grant_id=self.grant.id, reason="x")
            case "metering.cost":
                old = {"supersedes_cost_id": Cost.objects.earliest("id").id, "fiat_amount": Decimal(1), "fiat_asset_symbol": "USD"}
                record_cost(**its, transaction_id=self.call.id, is_estimate=False, **old)
            case "metering.transaction":
                complete_transaction(**its, transaction_id=self.call.id, outcome="success")


@pytest.fixture
def books(tenant, record):
    return Books(tenant, record)


@pytest.fixture
def draft_of(books, draft):
    def draft_of(kind):
        facts = {name: str(books.other_grant.id) if name == "grant_id" else value for name, value in KINDS[kind].items()}
        return draft(books.row_for(kind), kind=kind, facts=facts)

    return draft_of


@pytest.mark.parametrize("kind", KINDS)
def test_other_postings_meanwhile_stop_neither_the_requester_nor_the_approver(books, draft_of, threshold, kind):
    threshold("1000")
    draft = draft_of(kind)
    seen = services.preview_correction(actor=REQUESTER, draft=draft)
    books.post_on_every_account()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(post_correction, "is_within_day", lambda **_: False)
        correction = services.request_correction(actor=REQUESTER, request_id="", draft=draft, preview_digest=seen.digest)
    assert correction.state == "waiting"
    books.post_on_every_account()
    today, _, is_unchanged = services.preview_request(tenant_id=correction.tenant_id, correction_id=correction.id)
    assert is_unchanged
    books.post_on_every_account()
    approved = services.approve_request(
        tenant_id=correction.tenant_id, actor=OTHER, correction_id=correction.id, version=1, preview_digest=today.digest
    )
    assert approved.state == "posted"
    posted = list(list_entries(approved, version=2))
    moved = [entry.balance_before for _, entry in seen.entries] != [entry.balance_before for entry in posted]
    assert moved or kind == "metering.cancel"


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_was_put_right_meanwhile_stops_both(books, draft_of, ask, kind):
    draft = draft_of(kind)
    seen = services.preview_correction(actor=REQUESTER, draft=draft).digest
    waiting = ask(draft) if kind != "metering.cancel" else None
    books.end(kind)
    stopped = (CorrectionRefused, PreviewMoved, services.NothingToCorrect)
    if waiting is not None:
        with pytest.raises(stopped):
            services.approve_request(tenant_id=waiting.tenant_id, actor=OTHER, correction_id=waiting.id, version=1)
        services.withdraw_request(tenant_id=waiting.tenant_id, actor=REQUESTER, correction_id=waiting.id)
    with pytest.raises(stopped):
        services.request_correction(actor=REQUESTER, request_id="", draft=draft, preview_digest=seen)


@pytest.mark.parametrize("kind", ["credits.void", "credits.extend"])
def test_more_than_was_seen_to_be_left_stops_and_less_is_posted_with_its_own_size(books, draft_of, ask, kind):
    correction = ask(draft_of(kind))
    keys = {"tenant_id": correction.tenant_id, "correction_id": correction.id}
    books.draw("0.01", books.grant, type="CREDIT")
    with pytest.raises(PreviewMoved):
        services.approve_request(**keys, actor=OTHER, version=1)
    books.draw("1", books.grant)
    approved = services.approve_request(**keys, actor=OTHER, version=2)
    assert (approved.state, approved.size) == ("posted", {"USD": "69.01"})
