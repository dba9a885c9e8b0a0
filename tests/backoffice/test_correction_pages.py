"""The pages of corrections, over HTTP: from a row or a selection to a request, from the inbox to an answer, without a dead end."""

import re
from datetime import date
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from billing import services as billing
from billing.models import Transaction, Wallet
from credits import services as credits
from kernel.corrections import services
from kernel.corrections.models import CorrectionEvidence, CorrectionRequest
from metering.services import record_transaction
from tests.backoffice import staff_members
from tests.factories import TenantFactory

ASK = "/admin/corrections/correctionrequest/new/"
INBOX = "/admin/corrections/correctionrequest/"
ROWS = "/admin/billing/transaction/"
REASON = {"reason_code": "duplicate", "reason": "Charged twice by our own retry.", "evidence_link": "https://tickets.example.com/1"}


@pytest.fixture
def log_in(db):
    """A browser of somebody with these roles."""
    return lambda name, *roles: staff_members.log_in(staff_members.employ(name, *roles))


@pytest.fixture
def tenant(db):
    return TenantFactory(name="Acme Robotics")


@pytest.fixture
def rows(tenant):
    def record(amount, type, reference_id):
        context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
        return billing.record_transaction(**context, amount=Decimal(amount), type=type, reference_id=reference_id).row

    return [record("100", "topup", "top"), record("30.5", "usage", "INV-1"), record("9.5", "usage", "INV-2")]


@pytest.fixture
def clerk(log_in):
    return log_in("clara", "clerk")


def page(response):
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def seen(html):
    return html.split('name="preview_digest" value="')[1].split('"')[0]


def ask(client, *rows, kind="billing.reverse", **at_last):
    body = {"kind": kind, "row": [str(row.id) for row in rows], **REASON}
    preview = page(client.post(ASK, {**body, "step": "preview"}))
    response = client.post(ASK, {**body, "step": "confirm", "preview_digest": seen(preview), **at_last})
    assert response.status_code == 302
    return CorrectionRequest.objects.get(id=response["Location"].split("/")[-3])


def test_a_rows_page_leads_to_the_request(clerk, rows):
    html = page(clerk.get(f"{ROWS}{rows[1].id}/change/"))
    assert f"{ASK}?kind=billing.reverse&amp;row={rows[1].id}" in html
    assert "Reverse in the ledger of Acme Robotics" in page(clerk.get(f"{ASK}?kind=billing.reverse&row={rows[1].id}"))


def test_the_cursor_stands_in_the_first_field(clerk, rows):
    for kind, first in (("billing.reverse", "reason_code"), ("billing.reverse_part", "amount")):
        html = page(clerk.get(f"{ASK}?kind={kind}&row={rows[1].id}"))
        assert [tag for tag in re.findall("<(?:input|select)[^>]*>", html) if "autofocus" in tag and f'name="{first}"' in tag]
        assert html.count("autofocus") == 1


def test_the_list_of_entries_adds_up_previews_and_posted_ones_apart(clerk, log_in, rows):
    approved, _ = ask(clerk, rows[1]), ask(clerk, rows[2])
    log_in("anna", "approver").post(f"{INBOX}{approved.id}/decide/", {"decision": "approve", "version": "1"})
    foot = page(clerk.get("/admin/corrections/correctionentry/")).split('class="ch-foot"')[1].split("</div>")[0]
    assert re.findall(r">([\d.]+) <span>USD</span></span> (.*?) *(?=<|$)", foot) == [("40.00", "in previews"), ("30.50", "posted")]


def test_the_preview_says_in_numbers_what_would_be_posted_and_posts_nothing(clerk, rows):
    html = page(clerk.post(ASK, {"kind": "billing.reverse", "row": rows[1].id, **REASON, "step": "preview"}))
    for shown in ("60.00 <span>USD</span>", "+30.50 <span>USD</span>", "90.50 <span>USD</span>", "Ask for approval"):
        assert shown in html
    assert Transaction.objects.count() == 3
    assert CorrectionRequest.objects.count() == 0


def test_a_request_above_the_threshold_waits_and_one_below_is_posted(clerk, rows, tenant):
    services.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="USD", amount=Decimal("10"))
    assert ask(clerk, rows[1]).state == "waiting"
    assert ask(clerk, rows[2]).state == "posted"
    assert Wallet.objects.get().balance == Decimal("69.5")


def test_a_selection_goes_to_one_request(clerk, rows):
    selection = {"action": "correct_billing.reverse", "_selected_action": [str(rows[1].id), str(rows[2].id)]}
    html = page(clerk.post(ROWS, selection))
    assert "2 rows" in html
    assert all(f'name="row" value="{row.id}"' in html for row in rows[1:])
    assert ask(clerk, *rows[1:]).size == {"USD": "40"}


def test_a_selection_of_two_tenants_is_refused_with_advice(clerk, rows):
    foreign = TenantFactory()
    other = billing.record_transaction(
        tenant_id=foreign.id, actor="x", request_id="", amount=Decimal(1), type="topup", reference_id="x"
    ).row
    selection = {"action": "correct_billing.reverse", "_selected_action": [str(rows[1].id), str(other.id)]}
    response = clerk.post(ROWS, selection, follow=True)
    assert "Choose rows of a single tenant" in page(response)


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"reason": ""}, "This field is required"),
        ({"reason_code": ""}, "This field is required"),
        ({"evidence_link": "javascript:alert(1)"}, "Enter a valid URL"),
    ],
)
def test_what_is_missing_is_asked_for_again(clerk, rows, changed, shown):
    assert shown in page(clerk.post(ASK, {"kind": "billing.reverse", "row": rows[1].id, **REASON, **changed, "step": "preview"}))


@pytest.mark.parametrize("amount", ["", "1,5", "1e3", "٣", "0", "NaN", "1" * 40, "0." + "1" * 19])
def test_an_amount_that_could_be_read_in_two_ways_is_asked_for_again(clerk, rows, amount):
    body = {"kind": "billing.reverse_part", "row": rows[1].id, **REASON, "amount": amount, "step": "preview"}
    assert 'class="ch-error"' in page(clerk.post(ASK, body))
    assert 'name="preview_digest"' not in page(clerk.post(ASK, body))


def test_a_cost_is_not_superseded_by_a_negative_one(clerk, tenant):
    cost = {"fiat_amount": Decimal("1.25"), "fiat_asset_symbol": "USD", "is_estimate": True}
    names = {"service_name": "s", "action_name": "a", "resource_name": "r"}
    row = record_transaction(tenant_id=tenant.id, actor="x", request_id="", **names, costs=[cost]).row["costs"][0]
    body = {"kind": "metering.supersede", "row": row["id"], **REASON, "amount": "-1", "step": "preview"}
    html = page(clerk.post(ASK, body))
    assert "be negative" in html
    assert 'name="preview_digest"' not in html
    assert 'name="preview_digest"' in page(clerk.post(ASK, body | {"amount": "0"}))


def test_the_page_of_a_reversal_says_how_to_undo_it_with_the_form_filled_in(clerk, rows, tenant):
    assert "be reversed. If it was wrong" not in page(clerk.get(f"{ROWS}{rows[1].id}/change/"))
    keys = {"tenant_id": tenant.id, "actor": "x", "request_id": ""}
    reversal = billing.reverse_transaction(**keys, transaction_id=rows[1].id, reason_code="other").row
    html = page(clerk.get(f"{ROWS}{reversal.id}/change/"))
    address = unescape(html.split("If it was wrong, ")[1].split('href="')[1].split('"')[0])
    assert clerk.get(address).context["form"]["amount"].value() == "-30.5"
    grant = credits.create_grant(**keys, customer_id="ada", unit_type="CURRENCY", currency="USD", name="A", amount=Decimal(9))
    debit = credits.record_transaction(**keys, grant_id=grant.row.id, type="DEBIT", amount=Decimal(4))
    back = credits.reverse_transaction(**keys, transaction_id=debit.row.id, reason="x")
    html = page(clerk.get(f"/admin/credits/credittransaction/{back.row.id}/change/"))
    address = unescape(html.split("If it was wrong, ")[1].split('href="')[1].split('"')[0])
    assert clerk.get(address).context["form"]["amount"].value() == "-4"


def test_an_end_that_never_comes_is_ticked_and_odd_amounts_and_days_are_remarked_on(clerk, rows, tenant):
    keys = {"tenant_id": tenant.id, "actor": "x", "request_id": ""}
    facts = {"customer_id": "ada", "unit_type": "CURRENCY", "currency": "USD", "name": "A", "amount": Decimal(9)}
    grant = credits.create_grant(**keys, **facts, expiry_date=date(2090, 1, 1))
    extend = {"kind": "credits.extend", "row": grant.row.id, **REASON, "step": "preview"}
    for sent, shown in (({}, "tick"), ({"never_expires": "on", "expiry_date": "2091-01-01"}, "not both")):
        html = page(clerk.post(ASK, extend | sent))
        assert (shown in html, 'name="preview_digest"' in html) == (True, False)
    assert "Opens one without an end" in page(clerk.post(ASK, extend | {"never_expires": "on"}))
    preview = page(clerk.post(ASK, extend | {"expiry_date": "2091-01-01"}))
    assert 'name="never_expires" value=""' in preview
    finer = page(clerk.post(ASK, {"kind": "billing.adjust_beside", "row": rows[0].id, **REASON, "amount": "10.123", "step": "preview"}))
    assert "10.123 USD has more decimals than USD, which has 2." in finer
    given = clerk.post("/admin/customers/new-grant/", {"tenant": tenant.id, "id": "ada"})["Location"]
    body = dict(parse_qsl(urlsplit(given).query)) | REASON | {"name": "B", "category": "paid", "never_expires": "on", "step": "preview"}
    html = page(clerk.post(ASK, body | {"amount": "25", "cost_of_credit": "999999", "effective_date": "2020-01-01"}))
    assert "The customer paid 999,999.00 USD for 25.00 USD." in html
    assert "It begins on 2020-01-01, which is over." in html
    assert "ch-caution" not in page(clerk.post(ASK, body | {"amount": "25", "cost_of_credit": "20"}))


def test_what_the_ledger_refuses_is_said_in_words_with_a_way_back(clerk, rows):
    body = {"kind": "billing.reverse_part", "row": rows[1].id, **REASON, "amount": "31", "step": "preview"}
    html = page(clerk.post(ASK, body))
    assert "31 is more than the 30.5 that is left of it." in html
    assert "go back to the row" in html


def test_a_book_that_moved_meanwhile_asks_again_with_the_new_numbers(clerk, rows, tenant):
    body = {"kind": "billing.reverse", "row": rows[1].id, **REASON}
    old = seen(page(clerk.post(ASK, {**body, "step": "preview"})))
    part = {"transaction_id": rows[1].id, "amount": Decimal(1), "reference_id": "part", "reason_code": "other"}
    billing.reverse_transaction(tenant_id=tenant.id, actor="x", request_id="", **part)
    html = page(clerk.post(ASK, {**body, "step": "confirm", "preview_digest": old}))
    assert "What this does has changed" in html
    assert "29.50 <span>USD</span>" in html
    assert CorrectionRequest.objects.count() == 0
    services.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="USD", amount=Decimal("1000"))
    billing.record_transaction(tenant_id=tenant.id, actor="x", request_id="", amount=Decimal(1), type="usage", reference_id="x")
    posted = page(clerk.post(ASK, {**body, "step": "confirm", "preview_digest": seen(html)}, follow=True))
    assert "Posted. USD wallet: from 60.00 to 89.50 USD." in posted


def test_a_file_of_evidence_is_kept_and_only_ever_downloaded(clerk, rows):
    correction = ask(clerk, rows[1], evidence=SimpleUploadedFile("täx<1>.html", b"<script>", content_type="text/html"))
    evidence = CorrectionEvidence.objects.get()
    response = clerk.get(f"{INBOX}{correction.id}/evidence/{evidence.id}/")
    assert (response.content, response["Content-Type"]) == (b"<script>", "application/octet-stream")
    assert response["Content-Disposition"] == 'attachment; filename="t_x_1_.html"'


def test_the_approver_finds_it_in_the_inbox_approves_and_the_trail_is_complete(clerk, log_in, rows):
    correction = ask(clerk, rows[1])
    approver = log_in("anna", "approver")
    assert str(correction) in page(approver.get(INBOX, {"box": "to_approve"}))
    address = f"{INBOX}{correction.id}/"
    html = page(approver.get(f"{address}change/"))
    assert "Approve and post 1 entry" in html
    approver.post(f"{address}decide/", {"decision": "comment", "text": "Looking at the log."})
    approver.post(f"{address}decide/", {"decision": "approve", "version": "1", "text": "Seen it."})
    html = page(approver.get(f"{address}change/"))
    for shown in ("clara", "anna", "Looking at the log.", "Seen it.", "Charged twice by our own retry.", f"correction:{correction.id}"):
        assert shown in html
    posted = Transaction.objects.get(reverses_id=rows[1].id)
    assert f"/admin/billing/transaction/{posted.id}/change/" in html
    row = page(approver.get(f"{ROWS}{posted.id}/change/"))
    assert f'href="{address}change/"' in row
    assert address in page(approver.get(f"{ROWS}{rows[1].id}/change/"))
    assert Wallet.objects.get().balance == Decimal("90.5")


def test_an_approver_of_an_outdated_preview_sees_the_new_one_first(clerk, log_in, rows, tenant):
    correction = ask(clerk, rows[1])
    approver = log_in("anna", "approver")
    part = {"transaction_id": rows[1].id, "amount": Decimal(1), "reference_id": "part", "reason_code": "other"}
    billing.reverse_transaction(tenant_id=tenant.id, actor="x", request_id="", **part)
    address = f"{INBOX}{correction.id}/"
    assert "This is not what was requested" in page(approver.get(f"{address}change/"))
    html = page(approver.post(f"{address}decide/", {"decision": "approve", "version": "1"}, follow=True))
    assert "What this does has changed since the preview was made" in html
    assert "29.50 <span>USD</span>" in html
    assert Transaction.objects.count() == 4
    billing.record_transaction(tenant_id=tenant.id, actor="x", request_id="", amount=Decimal(1), type="usage", reference_id="x")
    html = page(approver.get(f"{address}change/"))
    today, requested = html.split("Would be posted today")[1].split("As it was")
    assert ("60.00 <span>" in today, "61.00 <span>" in requested) == (True, True)
    billing.record_transaction(tenant_id=tenant.id, actor="x", request_id="", amount=Decimal(1), type="usage", reference_id="y")
    decision = {"decision": "approve", "version": "2", "preview_digest": seen(html)}
    html = page(approver.post(f"{address}decide/", decision, follow=True))
    assert "Approved. Posted. USD wallet: from 59.00 to 88.50 USD." in html
    assert "90.50 <span>" in html.split("The preview that was approved")[1]
    assert Wallet.objects.get().balance == Decimal("88.5")


def test_nobody_decides_their_own_request_even_with_both_roles(log_in, rows):
    both = log_in("both", "clerk", "approver")
    correction = ask(both, rows[1])
    assert "somebody else has to decide it" in page(both.get(f"{INBOX}{correction.id}/change/"))
    html = page(both.post(f"{INBOX}{correction.id}/decide/", {"decision": "approve", "version": "1"}, follow=True))
    assert "Nobody decides their own request" in html
    assert Transaction.objects.count() == 3


def test_a_rejection_needs_a_reason(clerk, log_in, rows):
    correction = ask(clerk, rows[1])
    approver = log_in("anna", "approver")
    address = f"{INBOX}{correction.id}/decide/"
    assert "Enter the reason." in page(approver.post(address, {"decision": "reject", "text": " "}, follow=True))
    assert "Rejected" in page(approver.post(address, {"decision": "reject", "text": "It was a fair charge."}, follow=True))
    correction.refresh_from_db()
    assert correction.state == "rejected"


def test_the_requester_can_withdraw(clerk, rows):
    correction = ask(clerk, rows[1])
    html = page(clerk.post(f"{INBOX}{correction.id}/decide/", {"decision": "withdraw", "text": ""}, follow=True))
    assert "Withdrawn" in html


@pytest.mark.parametrize(
    "body", [{}, {"decision": "delete"}, {"decision": "approve", "version": "9" * 30}, {"decision": "approve", "version": "x"}]
)
def test_an_answer_that_makes_no_sense_changes_nothing(clerk, log_in, rows, body):
    correction = ask(clerk, rows[1])
    log_in("anna", "approver").post(f"{INBOX}{correction.id}/decide/", body)
    correction.refresh_from_db()
    assert (correction.state, Transaction.objects.count()) == ("waiting", 3)


@pytest.mark.parametrize("query", ["", "?kind=nothing", "?kind=billing.reverse&row=x", "?kind=nothing&row=x"])
def test_an_address_that_makes_no_sense_is_not_found_or_turned_back(clerk, query):
    assert clerk.get(f"{ASK}{query}").status_code == 404
    assert clerk.get(f"{ASK}?kind=billing.reverse").status_code == 302


def test_a_form_that_is_submitted_twice_makes_one_request(clerk, rows, tenant):
    services.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="USD", amount=Decimal("10"))
    for row in rows[1:]:
        body = {"kind": "billing.adjust_beside", "row": [str(row.id)], **REASON, "amount": str(row.entry_number)}
        preview = page(clerk.post(ASK, {**body, "step": "preview"}))
        confirm = {
            **body,
            "step": "confirm",
            "preview_digest": seen(preview),
            "form_id": preview.split('name="form_id" value="')[1].split('"')[0],
        }
        first, second = clerk.post(ASK, confirm), clerk.post(ASK, confirm)
        assert (first.status_code, second["Location"]) == (302, first["Location"])
    assert CorrectionRequest.objects.count() == 2
    assert Wallet.objects.get().balance == Decimal("65")


def test_a_comment_that_is_submitted_twice_is_kept_once_with_its_file(clerk, log_in, rows):
    correction = ask(clerk, rows[1])
    approver, address = log_in("anna", "approver"), f"{INBOX}{correction.id}/"
    token = page(approver.get(f"{address}change/")).split('name="form_id" value="')[1].split('"')[0]
    for text in ("Which run?", "Which run?", "Which run, and when?"):
        note = SimpleUploadedFile("log.txt", b"seen", content_type="text/plain")
        approver.post(f"{address}decide/", {"decision": "comment", "text": text, "form_id": token, "evidence": note})
    # The form that was gone back to, with another text, is another comment.
    assert sorted(correction.comments.values_list("text", flat=True)) == ["Which run, and when?", "Which run?"]
    assert correction.evidence.count() == 1


def test_both_pages_name_other_requests_for_the_same_row_or_account(clerk, log_in, rows):
    earlier = ask(clerk, rows[1])
    asked = page(clerk.post(ASK, {"kind": "billing.adjust_beside", "row": rows[1].id, **REASON, "amount": "1", "step": "preview"}))
    assert (str(earlier) in asked, "the same row" in asked) == (True, True)
    later = ask(clerk, rows[2])
    decided = page(log_in("anna", "approver").get(f"{INBOX}{later.id}/change/"))
    assert (str(earlier) in decided, "the same account" in decided) == (True, True)


def test_the_id_of_a_form_can_not_be_chosen_by_its_sender(clerk, rows):
    correction = ask(clerk, rows[1], form_id="00000000-0000-7000-8000-000000000000:forged")
    assert str(correction.id) != "00000000-0000-7000-8000-000000000000"


def test_a_decision_after_a_sign_in_in_between_leads_to_the_request_and_not_to_an_error(clerk, rows):
    correction = ask(clerk, rows[1])
    response = clerk.get(f"{INBOX}{correction.id}/decide/", follow=True)
    assert str(correction) in page(response)


def test_the_approver_reads_what_is_asked_in_words_with_the_pair_the_clerks_day_and_evidence_of_both_sides(clerk, log_in, rows, tenant):
    services.set_threshold(tenant_id=tenant.id, actor="staff:0", unit="USD", amount=Decimal("10"))
    billing.set_policy(tenant_id=tenant.id, actor="x", request_id="", near_duplicate_seconds=60)
    again = billing.record_transaction(
        tenant_id=tenant.id, actor="x", request_id="", amount=Decimal("30.5"), type="usage", reference_id="INV-1b"
    ).row
    ask(clerk, rows[2])
    files = [SimpleUploadedFile(f"{number}.txt", b"seen", content_type="text/plain") for number in (1, 2)]
    correction = ask(clerk, again, evidence=files)
    approver = log_in("anna", "approver")
    address = f"{INBOX}{correction.id}/"
    note = SimpleUploadedFile("answer.txt", b"from the bank", content_type="text/plain")
    approver.post(f"{address}decide/", {"decision": "comment", "text": "", "evidence": note})
    words = page(approver.get(f"{address}change/"))
    for shown in (
        "asks to reverse the entry",
        "USD wallet</a> gets",
        "Side by side with the entry that it resembles",
        "INV-1b",
        "differs",
        "9.50 <span>USD</span></span></a> added, posted alone",
        "30.50 <span>USD</span></span></a> added, waiting",
        "1.txt",
        "2.txt",
        "added answer.txt",
    ):
        assert shown in words, shown
    assert [file.actor for file in CorrectionEvidence.objects.order_by("id")][:2] == [correction.requested_by] * 2
    assert CorrectionEvidence.objects.latest("id").actor != correction.requested_by
    too_large = SimpleUploadedFile("large.bin", b"x" * 5_000_001)
    refused = approver.post(f"{address}decide/", {"decision": "approve", "version": "1", "evidence": too_large}, follow=True)
    assert "larger than 5 MB" in page(refused)
    correction.refresh_from_db()
    assert (correction.state, correction.evidence.count()) == ("waiting", 3)


def test_who_has_to_sign_in_again_comes_back_to_the_form_of_the_row(clerk, rows):
    form = page(clerk.get(ASK, {"kind": "billing.reverse", "row": str(rows[1].id)}))
    address = unescape(form.split('<form method="post" action="')[-1].split('"')[0])
    sent = Client().post(address, {"kind": "billing.reverse", "row": str(rows[1].id), **REASON, "step": "preview"})
    back = dict(parse_qsl(urlsplit(sent["Location"]).query))["next"]
    assert "INV-1" in page(clerk.get(back))


def test_the_grant_that_a_debit_moves_to_may_be_named_by_its_customer(tenant, clerk):
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
    facts = {"unit_type": "CURRENCY", "currency": "USD", "name": "Prepaid", "amount": Decimal(9)}
    wrong, right = (credits.create_grant(**context, **facts, customer_id=name) for name in ("ada", "bo"))
    debit = credits.record_transaction(**context, grant_id=wrong.row.id, type="DEBIT", amount=Decimal(2))
    body = {"kind": "credits.move", "row": str(debit.row.id), **REASON, "step": "preview"}
    shown = page(clerk.post(ASK, {**body, "grant_id": "bo"}))
    assert "bo pays instead of ada" in shown
    assert str(right.row.id) in shown
    assert "Nothing here has the id cy" in page(clerk.post(ASK, {**body, "grant_id": "cy"}))
    other = credits.create_grant(**context, **facts, customer_id="bo")
    several = page(clerk.post(ASK, {**body, "grant_id": "bo"}))
    assert all(f"Prepaid, 9.00 USD left: {grant.row.id}" in several for grant in (right, other))


def test_the_requester_reads_at_home_that_a_colleague_rejected(clerk, log_in, rows):
    correction = ask(clerk, rows[1])
    log_in("anna", "approver").post(f"{INBOX}{correction.id}/decide/", {"decision": "reject", "version": "1", "text": "It is right."})
    [alert] = [each for each in clerk.get("/admin/").context["alerts"] if each.title == "Your corrections that were rejected"]
    assert [row.pk for row in clerk.get(alert.url).context["cl"].result_list] == [correction.pk]
