"""A correction: seen beforehand in numbers, answered for by another person where it is large, posted as a whole or not at all."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from billing import services as billing
from billing.models import Transaction, Wallet
from kernel.corrections import services
from kernel.corrections.errors import (
    CorrectionRefused,
    NothingToCorrect,
    NotTheRequester,
    NotWaiting,
    OwnRequest,
    PreviewMoved,
    SameRequestWaits,
    SeveralTenants,
    TooManyLines,
)
from kernel.corrections.models import CorrectionEntry, CorrectionEvidence, CorrectionRequest, CorrectionStateChange
from kernel.corrections.selectors import get_common_tenant, list_entries
from kernel.corrections.services import EvidenceFile
from kernel.ledger.errors import AlreadyReversed, InvalidValue, NotFound
from tests.factories import TenantFactory
from tests.kernel.corrections.conftest import OTHER, REQUESTER


def book():
    return [(row.entry_number, row.effect, row.balance_after, row.request_id) for row in Transaction.objects.order_by("entry_number")]


def balance():
    return Wallet.objects.get().balance


def approve(correction, *, actor=OTHER, version=None, reason=""):
    return services.approve_request(
        tenant_id=correction.tenant_id,
        actor=actor,
        correction_id=correction.id,
        version=version or correction.preview,
        reason=reason,
    )


def test_a_preview_shows_every_entry_with_the_balances_around_it_and_posts_none(usage, draft):
    preview = services.preview_correction(actor=REQUESTER, draft=draft(usage))
    [(target_id, entry)] = preview.entries
    assert target_id == usage.id
    assert (entry.entry_number, entry.effect, entry.balance_before, entry.balance_after, entry.unit) == (
        3,
        Decimal("30.5"),
        Decimal("69.5"),
        Decimal("100"),
        "USD",
    )
    assert (preview.size, preview.needs_approval) == ({"USD": Decimal("30.5")}, True)
    assert [number for number, *_ in book()] == [1, 2]
    assert (CorrectionRequest.objects.count(), balance()) == (0, Decimal("69.5"))


def test_without_a_threshold_every_correction_waits_for_another_person(usage, draft, ask):
    correction = ask(draft(usage))
    assert (correction.state, correction.needs_approval, correction.size) == ("waiting", True, {"USD": "30.5"})
    assert [number for number, *_ in book()] == [1, 2]
    assert list_entries(correction, version=1).get().entry_id is None


def test_up_to_the_threshold_it_is_posted_at_once_and_the_entry_names_the_request(usage, draft, ask, threshold):
    threshold("30.5")
    correction = ask(draft(usage))
    assert (correction.state, correction.needs_approval, correction.decided_by) == ("posted", False, "")
    assert book()[-1] == (3, Decimal("30.5"), Decimal("100"), f"correction:{correction.id}")
    posted = Transaction.objects.get(entry_number=3)
    assert (posted.actor, posted.reverses_id, posted.reason_code) == (REQUESTER, usage.id, "duplicate")
    assert list_entries(correction, version=1).get().entry_id == posted.id


@pytest.mark.parametrize(("unit", "amount"), [("USD", "30.49"), ("EUR", "1000")])
def test_above_the_threshold_or_in_another_currency_it_waits(usage, draft, ask, threshold, unit, amount):
    threshold(amount, unit)
    assert ask(draft(usage)).state == "waiting"


def test_another_person_approves_and_what_was_seen_is_what_is_posted(usage, draft, ask):
    correction = approve(ask(draft(usage)), reason="Seen in the log.")
    assert (correction.state, correction.decided_by) == ("posted", OTHER)
    assert balance() == Decimal("100")
    agreed, posted = (
        list_entries(correction, version=version).values("what", "effect", "balance_before", "balance_after", "entry_number")
        for version in (1, 2)
    )
    assert list(agreed) == list(posted)
    assert list_entries(correction, version=2).get().entry_id == Transaction.objects.get(entry_number=3).id


def test_the_history_says_who_did_what_and_why(usage, draft, ask):
    approve(ask(draft(usage)), reason="Seen in the log.")
    steps = CorrectionStateChange.objects.order_by("id").values_list("from_state", "to_state", "actor", "reason")
    assert list(steps) == [
        ("", "waiting", REQUESTER, "Charged twice by our own retry."),
        ("waiting", "posted", OTHER, "Seen in the log."),
    ]


def test_a_requester_can_not_approve_or_reject_their_own_request(usage, draft, ask):
    correction = ask(draft(usage))
    with pytest.raises(OwnRequest):
        approve(correction, actor=REQUESTER)
    with pytest.raises(OwnRequest):
        services.reject_request(tenant_id=correction.tenant_id, actor=REQUESTER, correction_id=correction.id, reason="no")


def test_the_database_holds_that_too(usage, draft, ask):
    correction = ask(draft(usage))
    statement = "UPDATE corrections_request SET state = 'posted', decided_at = now(), decided_by = requested_by WHERE id = %s"
    with pytest.raises(DatabaseError, match="corrections_request_other_decides"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [correction.id])
    nobody = "UPDATE corrections_request SET state = 'posted', decided_at = now() WHERE id = %s"
    with pytest.raises(DatabaseError, match="corrections_request_approved_check"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(nobody, [correction.id])


@pytest.mark.parametrize("column", ["requested_by = 'staff:3'", "needs_approval = false", "reason = ''", "facts = '{}'"])
def test_what_was_asked_can_not_be_changed_afterwards(usage, draft, ask, column):
    ask(draft(usage))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE corrections_request SET {column}")


def test_a_reversal_in_part_meanwhile_stops_what_was_seen_before_it(usage, draft, ask, threshold):
    threshold("1000")
    beside = draft(usage, kind="billing.adjust_beside", facts={"amount": "1"})
    seen = services.preview_correction(actor=REQUESTER, draft=beside).digest
    billing.reverse_transaction(
        tenant_id=usage.tenant_id,
        actor="x",
        request_id="",
        transaction_id=usage.id,
        reason_code="other",
        amount=Decimal(5),
        reference_id="part",
    )
    with pytest.raises(PreviewMoved) as refused:
        services.request_correction(actor=REQUESTER, request_id="", draft=beside, preview_digest=seen)
    assert "5.00 are then reversed" in refused.value.facts["preview"].entries[0][1].remark
    assert (CorrectionRequest.objects.count(), len(book())) == (0, 3)


def test_an_amount_that_changed_since_gets_a_new_preview_and_another_approval(usage, draft, ask):
    correction = ask(draft(usage))
    billing.reverse_transaction(
        tenant_id=usage.tenant_id,
        actor="x",
        request_id="",
        transaction_id=usage.id,
        reason_code="other",
        amount=Decimal(5),
        reference_id="part",
    )
    with pytest.raises(PreviewMoved):
        approve(correction)
    correction.refresh_from_db()
    assert (correction.state, correction.preview, correction.size) == ("waiting", 2, {"USD": "25.5"})
    with pytest.raises(PreviewMoved):
        approve(correction, version=1)
    correction.refresh_from_db()
    assert approve(correction, version=correction.preview).state == "posted"
    assert balance() == Decimal("100")


def test_another_correction_of_the_same_row_stops_what_was_seen_before_it(usage, draft, ask, threshold):
    threshold("1000")
    first, second = (draft(usage, kind="billing.adjust_beside", facts={"amount": amount}) for amount in ("1", "2"))
    seen = services.preview_correction(actor=REQUESTER, draft=first).digest
    ask(second, actor=OTHER)
    with pytest.raises(PreviewMoved):
        services.request_correction(actor=REQUESTER, request_id="", draft=first, preview_digest=seen)
    threshold("0")
    waiting = ask(first)
    keys = {"tenant_id": waiting.tenant_id, "correction_id": waiting.id}
    preview, _, is_unchanged = services.preview_request(**keys)
    assert is_unchanged
    ask(draft(usage, kind="billing.adjust_beside", facts={"amount": "3"}), actor=OTHER)
    with pytest.raises(PreviewMoved):
        services.approve_request(**keys, actor=OTHER, version=1, preview_digest=preview.digest)


def test_a_floor_that_would_be_broken_meanwhile_still_refuses(usage, draft, ask, record):
    correction = ask(draft(usage, kind="billing.adjust_beside", facts={"amount": "-60"}))
    billing.set_floor(tenant_id=usage.tenant_id, actor="x", request_id="", currency="USD", floor=Decimal(0))
    record("20", reference_id="third")
    with pytest.raises(CorrectionRefused):
        approve(correction)
    assert balance() == Decimal("49.5")


def test_a_selection_is_posted_as_a_whole(topup, usage, record, draft, ask, threshold):
    threshold("1000")
    other = record("9.5", reference_id="third")
    correction = ask(draft(other, usage))
    assert correction.size == {"USD": "40"}
    assert balance() == Decimal("100")
    assert [row[3] for row in book()][-2:] == [f"correction:{correction.id}"] * 2


def test_a_preview_of_several_rows_is_refused_when_one_of_them_is(usage, record, draft):
    other = record("9.5", reference_id="third")
    billing.reverse_transaction(tenant_id=other.tenant_id, actor="x", request_id="", transaction_id=other.id, reason_code="other")
    with pytest.raises(CorrectionRefused) as refused:
        services.preview_correction(actor=REQUESTER, draft=draft(usage, other))
    assert refused.value.facts["target_id"] == other.id
    assert isinstance(refused.value.facts["cause"], AlreadyReversed)
    assert len(book()) == 4


def test_what_has_become_impossible_is_refused_when_it_is_approved_and_goes_on_waiting(usage, draft, ask):
    correction = ask(draft(usage))
    billing.reverse_transaction(tenant_id=usage.tenant_id, actor="x", request_id="", transaction_id=usage.id, reason_code="other")
    with pytest.raises(CorrectionRefused):
        approve(correction)
    correction.refresh_from_db()
    assert correction.state == "waiting"
    assert (
        services.reject_request(tenant_id=usage.tenant_id, actor=OTHER, correction_id=correction.id, reason="Done before.").state
        == "rejected"
    )


def test_a_part_is_reversed_and_a_wallet_adjusted(usage, draft, ask, threshold):
    threshold("1000")
    ask(draft(usage, kind="billing.reverse_part", facts={"amount": "10"}))
    ask(draft(usage, kind="billing.adjust_beside", facts={"amount": "-4.5"}))
    ask(draft(Wallet.objects.get(), kind="billing.adjust", facts={"amount": "1"}))
    assert [(effect, after) for _, effect, after, _ in book()][2:] == [
        (Decimal("10"), Decimal("79.5")),
        (Decimal("-4.5"), Decimal("75")),
        (Decimal("1"), Decimal("76")),
    ]


def test_only_the_requester_withdraws_and_a_decision_is_final(usage, draft, ask):
    correction = ask(draft(usage))
    context = {"tenant_id": correction.tenant_id, "correction_id": correction.id}
    with pytest.raises(NotTheRequester):
        services.withdraw_request(actor=OTHER, **context)
    assert services.withdraw_request(actor=REQUESTER, **context).state == "withdrawn"
    with pytest.raises(NotWaiting):
        approve(correction)


@pytest.mark.parametrize("reason", ["", "   ", "\0"])
def test_a_reason_must_say_something(usage, draft, ask, reason):
    with pytest.raises(InvalidValue):
        services.preview_correction(actor=REQUESTER, draft=draft(usage, reason=reason))
    correction = ask(draft(usage))
    with pytest.raises(InvalidValue):
        services.reject_request(tenant_id=correction.tenant_id, actor=OTHER, correction_id=correction.id, reason=reason)


def test_a_request_must_correct_something_but_not_everything(draft, usage, monkeypatch):
    with pytest.raises(NothingToCorrect):
        services.preview_correction(actor=REQUESTER, draft=draft())
    monkeypatch.setattr(services, "MAX_LINES", 1)
    with pytest.raises(TooManyLines):
        services.preview_correction(actor=REQUESTER, draft=draft(usage, usage))


def test_evidence_is_kept_with_the_book(usage, draft, ask):
    ask(draft(usage), evidence_link="https://tickets.example.com/1", evidence=[EvidenceFile("mail.txt", "text/plain", b"hello")])
    evidence = CorrectionEvidence.objects.get()
    assert (evidence.name, bytes(evidence.content), evidence.request.evidence_link) == (
        "mail.txt",
        b"hello",
        "https://tickets.example.com/1",
    )


def test_another_tenants_request_is_not_found(usage, draft, ask):
    correction = ask(draft(usage))
    with pytest.raises(NotFound):
        services.approve_request(tenant_id=TenantFactory().id, actor=OTHER, correction_id=correction.id, version=1)


def test_rows_of_two_tenants_are_no_selection(usage, record):
    foreign = record("1", type="topup", reference_id="x", tenant=TenantFactory())
    assert get_common_tenant(label="billing.transaction", target_ids=[usage.id]) == usage.tenant_id
    with pytest.raises(SeveralTenants):
        get_common_tenant(label="billing.transaction", target_ids=[usage.id, foreign.id])
    with pytest.raises(SeveralTenants):
        get_common_tenant(label="billing.transaction", target_ids=[])


def test_the_preview_of_an_entry_is_what_the_ledger_would_do_with_it_and_leaves_no_trace(usage, draft, ask):
    """Not a second calculation: a preview that posts and takes it back leaves numbers without gaps."""
    for _ in range(3):
        services.preview_correction(actor=REQUESTER, draft=draft(usage))
    approve(ask(draft(usage)))
    assert [number for number, *_ in book()] == [1, 2, 3]
    assert CorrectionEntry.objects.count() == 2


def test_small_corrections_of_one_person_or_one_account_add_up_within_a_day(topup, tenant, record, draft, ask, threshold):
    threshold("100")
    wallet = Wallet.objects.get()

    def adjust(actor, amount="100", unit="USD"):
        return ask(draft(Wallet.objects.get(currency=unit), kind="billing.adjust", facts={"amount": amount}), actor=actor).state

    assert adjust(REQUESTER) == "posted"
    assert [adjust(REQUESTER, "1"), adjust(OTHER, "2")] == ["waiting", "waiting"]
    # An account of its own, and enough for the account: the person's sum counts, whatever the account.
    services.set_threshold(tenant_id=tenant.id, actor="staff:9", unit="USD", amount=Decimal(100), daily_amount=Decimal(150))
    assert [adjust(REQUESTER, "50"), adjust(REQUESTER, "0.01"), adjust(OTHER, "0.02"), adjust(OTHER, "-100")] == [
        "posted",
        "waiting",
        "waiting",
        "posted",
    ]
    wallet.refresh_from_db()
    assert wallet.balance == 150


def test_what_was_decided_stays_decided_whoever_writes_to_the_table(usage, draft, ask):
    correction = approve(ask(draft(usage)))
    for change in ("state = 'waiting', decided_at = NULL, decided_by = ''", "decided_by = 'staff:77'", "preview = 9"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE corrections_request SET {change} WHERE id = %s", [correction.id])


def test_a_second_request_for_the_same_correction_is_refused_while_the_first_waits(usage, draft, ask):
    first = ask(draft(usage))
    with pytest.raises(SameRequestWaits):
        ask(draft(usage, reason="The same again."), actor="staff:3")
    services.reject_request(tenant_id=first.tenant_id, actor=OTHER, correction_id=first.id, reason="Not like this.")
    assert ask(draft(usage)).state == "waiting"
