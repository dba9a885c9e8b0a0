"""expire_credits, and credit that comes back to an expired grant."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from credits import services
from credits.models import CreditTransaction, Grant
from tests.factories import TenantFactory

DAY = datetime(2026, 6, 2, 3, tzinfo=UTC)


@pytest.fixture
def june():
    with time_machine.travel(datetime(2026, 6, 1, tzinfo=UTC), tick=False) as clock:
        yield clock


def run(capsys, *arguments):
    call_command("expire_credits", *arguments, verbosity=0)
    return capsys.readouterr().out.strip()


def test_the_rest_of_a_grant_is_debited_dated_the_day_after_its_last(api, book, june, capsys):
    due, later, never = book.grant(10, expiry_date=date(2026, 6, 1)), book.grant(10, expiry_date=date(2026, 6, 2)), book.grant(10)
    spent = book.grant(10, expiry_date=date(2026, 6, 1))
    book.debit(due, 4)
    book.debit(spent, 10)
    assert run(capsys) == "0 grants expired, 0 had nothing left."
    june.move_to(DAY)
    assert api.get("/credits/acme/balances").json()["items"][0]["balance"] == "20"
    assert run(capsys) == "1 grants expired, 1 had nothing left."
    row = CreditTransaction.objects.get(kind="expiry")
    assert (row.grant_id, row.type, row.amount, row.occurred_at) == (due, "DEBIT", 6, datetime(2026, 6, 2, tzinfo=UTC))
    assert row.actor == f"command:expire_credits:{row.request_id}"
    assert run(capsys) == "0 grants expired, 0 had nothing left."
    assert [Grant.objects.get(id=grant_id).status for grant_id in (due, spent, later, never)] == ["expired", "expired", "open", "open"]
    assert api.get(f"/credits/{due}").json()["status"] == "expired"
    book.check()


def test_a_dry_run_writes_nothing_and_prints_the_totals_of_each_tenant(book, company, june, capsys):
    other = type(book)(TenantFactory(slug="zeta").id)
    for owner in (book, other):
        owner.grant(10, expiry_date=date(2026, 6, 1))
    book.grant(5, expiry_date=date(2026, 6, 1), unit_type="METRIC", metric_id="calls")
    services.place_hold(
        **book.context, customer_id="acme", amount=book.balance(Grant.objects.filter(tenant=company).first().id), metric_id="calls",
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    june.move_to(DAY)
    assert run(capsys, "--dry-run").splitlines() == [
        f"{company.slug}: 1 grants, 10 USD",
        f"{company.slug}: 1 grants, 0 calls",
        "zeta: 1 grants, 10 USD",
        "3 grants would expire. Nothing was written.",
    ]
    assert not CreditTransaction.objects.filter(kind="expiry").exists()
    assert run(capsys, "--tenant", "zeta") == "1 grants expired, 0 had nothing left."
    with pytest.raises(CommandError):
        run(capsys, "--tenant", "nobody")


def test_the_databases_clock_decides_which_grants_are_due(book, june, capsys, monkeypatch):
    book.grant(10, expiry_date=date(2026, 6, 1))
    june.move_to(DAY)
    # The application's clock is a day behind.
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 6, 1, tzinfo=UTC))
    assert run(capsys, "--dry-run").endswith("1 grants would expire. Nothing was written.")
    assert run(capsys) == "1 grants expired, 0 had nothing left."


def test_credit_given_back_to_an_expired_grant_expires_again_at_once(api, book, june):
    grant_id = book.grant(10, expiry_date=date(2026, 6, 1))
    book.debit(grant_id, 4, invoice_id="i")
    june.move_to(DAY)
    reply = api.post("/credit-transactions", {"grantId": str(grant_id), "type": "CREDIT", "amount": "4", "invoiceId": "i"})
    assert (reply.status_code, reply.json()["balanceAfter"]) == (201, "10")
    assert book.entries(grant_id)[-2:] == [("credit", "CREDIT", 4), ("expiry", "DEBIT", 10)]
    assert Grant.objects.get().status == "expired"
    june.move_to(datetime(2026, 7, 1, tzinfo=UTC))
    assert list(services.expire_grants(actor="job:test", request_id="")) == []
    book.check()


def test_more_grants_than_a_batch_holds_expire_in_one_run(book, june, monkeypatch, capsys):
    monkeypatch.setattr("credits.services.expiry.BATCH", 3)
    for _ in range(8):
        book.grant(1, expiry_date=date(2026, 6, 1))
    june.move_to(DAY)
    assert run(capsys) == "8 grants expired, 0 had nothing left."
    book.check()
