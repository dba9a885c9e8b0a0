"""The panels of a row's page: its account, its reversals, why a grant was charged, and rows of other ledgers."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing import services as billing
from billing.admin import statements
from credits import services as credits
from credits.models import CreditTransaction
from kernel.base.empty_values import NO_AMOUNT, NOTHING
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import money
from kernel.tenants.models import Tenant
from metering.services import record_cost, record_transaction
from tests.backoffice.staff_members import employ, log_in
from tests.factories import IssuedKeyFactory, TenantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return TenantFactory(name="Acme Robotics")


@pytest.fixture
def context(tenant):
    return {"tenant_id": tenant.id, "actor": f"api_key:{IssuedKeyFactory(tenant=tenant, name='gateway').key.id}", "request_id": "req-1"}


@pytest.fixture
def read():
    client = log_in(employ("victor", "viewer"))

    def read(label, row_id):
        response = client.get(f"/admin/{label.replace('.', '/')}/{row_id}/change/")
        assert response.status_code == 200
        return " ".join(re.sub("<[^>]*>", " ", response.content.decode().split('id="content-main"')[1]).split())

    return read


def test_an_entry_stands_among_its_neighbours_with_its_reversal_and_who_wrote_it(read, context):
    charge = None
    for number, (amount, type) in enumerate([("100", "topup"), ("30.5", "usage"), ("9", "usage")]):
        row = billing.record_transaction(**context, amount=Decimal(amount), type=type, reference_id=f"ref-{number}").row
        charge = row if number == 1 else charge
    billing.reverse_transaction(**context, transaction_id=charge.id, reason_code="duplicate", reason="Twice.")
    shown = read("billing.transaction", charge.id)
    assert "The wallet around this entry" in shown
    assert "Reversed by" in shown
    assert "Key gateway" in shown
    for balance in ("100.00 USD", "69.50 USD", "60.50 USD", "91.00 USD"):
        assert balance in shown


def test_a_debit_says_why_its_grant_was_charged_and_which_others_paid(read, context):
    for name, priority in (("Welcome", 10), ("Prepaid", 50)):
        facts = {"customer_id": "c", "name": name, "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(10)}
        credits.create_grant(**context, **facts, priority=priority)
    billing.record_transaction(**context, amount=Decimal(15), type="usage", reference_id="INV-1")
    credits.consume(**context, customer_id="c", amount=Decimal(15), currency="USD", invoice_id="INV-1")
    debit = CreditTransaction.objects.get(kind="consumption", grant__name="Prepaid")
    shown = read("credits.credittransaction", debit.id)
    assert "Why this grant was charged No. 2 in burn-down order: priority 50" in shown
    assert "Which grants paid for INV-1" in shown
    assert "Welcome" in shown
    assert "Billed under the same reference" in shown


def test_a_metered_transaction_shows_its_cost_from_estimate_to_actual(read, context):
    cost = {"fiat_amount": Decimal("2"), "fiat_asset_symbol": "USD", "is_estimate": True}
    names = {"service_name": "s", "action_name": "a", "resource_name": "r", "agent_name": "bot"}
    row = record_transaction(**context, **names, costs=[cost]).row
    billing.record_transaction(**context, amount=Decimal(15), type="usage", reference_id="INV-1", agent_id="bot")
    superseded = row["costs"][0]["id"]
    record_cost(
        **context,
        transaction_id=row["id"],
        fiat_amount=Decimal("1.5"),
        fiat_asset_symbol="USD",
        is_estimate=False,
        supersedes_cost_id=superseded,
    )
    shown = read("metering.transaction", row["id"])
    assert shown.index("Estimate 2.00 USD Superseded") < shown.index("Actual 1.50 USD Active the previous cost")
    assert "Billed for the same agent" in shown
    assert "Costs, from estimate to actual" in read("metering.cost", superseded)


def test_a_long_statement_is_read_by_pages_and_by_either_clock(context, monkeypatch):
    monkeypatch.setattr("billing.admin.statements.STATEMENT_PAGE", 2)
    for number in range(3):
        row = billing.record_transaction(**context, amount=Decimal(5), type="topup", reference_id=f"<{number}>").row
    past = datetime(2026, 1, 5, tzinfo=UTC)
    billing.record_transaction(**context, amount=Decimal(7), type="topup", reference_id="old", occurred_at=past)
    client = log_in(employ("vera", "viewer"))

    def read(**query):
        response = client.get(f"/admin/billing/wallet/{row.wallet_id}/statement/", query)
        return b"".join(response.streaming_content).decode()

    first, second = read(), read(page=2)
    assert ("&lt;0&gt;" in first, "&lt;2&gt;" in first, "Closing balance</td>" in first) == (True, False, False)
    assert ("&lt;2&gt;" in second, "old" in second, "Balance carried over" in second, "Closing balance</td>" in second) == (True,) * 4
    entries = second.split("Balance carried over")[1]
    assert entries.index("10.00") < entries.index("15.00") < entries.index("22.00")
    january = {"month": "2026-01"}
    assert ("old" in read(**january), "old" in read(**january, clock="world")) == (False, True)
    file = read(**january, clock="world", format="csv")
    assert ",7," in file
    # Whose it is stands on the page and in every line of the file; the page leads back to the wallet.
    tenant = Tenant.objects.get(pk=context["tenant_id"])
    assert f"<title>Statement of {tenant.name}, USD" in first
    assert f'href="/admin/billing/wallet/{row.wallet_id}/change/"' in first
    assert all(line.endswith(f"{tenant.name},USD") for line in file.splitlines()[1:])
    response = client.get(f"/admin/billing/wallet/{row.wallet_id}/statement/", {**january, "format": "csv"})
    assert response["Content-Disposition"] == f'attachment; filename="statement-{tenant.slug}-USD-2026-01-book.csv"'
    # Of many pages, no page is far.
    links = statements._statement_links(datetime(2026, 1, 1, tzinfo=UTC), clock="book", page=1, pages=95)["Page"]
    assert [text for text, _, _ in links] == ["1", "2", "3", "4", *(str(number) for number in range(10, 100, 10)), "95"]


def test_a_wallets_statement_is_for_the_month_that_is_asked(read, context):
    row = billing.record_transaction(**context, amount=Decimal(5), type="topup", reference_id="x").row
    client = log_in(employ("vera", "viewer"))
    page = f"/admin/billing/wallet/{row.wallet_id}/statement/"
    assert "5.00" in b"".join(client.get(page).streaming_content).decode()
    assert "5.00" not in b"".join(client.get(page, {"month": "2020-01"}).streaming_content).decode()
    assert {client.get(page, {"month": month}).status_code for month in ("nonsense", "9999-12", "0001-01")} == {404}


def test_what_is_no_amount_stands_below_the_amounts_of_its_column():
    amount = money(Decimal(1), "USD")
    panel = Panel("Timeline", ("What", "Amount"), [("Held", amount), ("Presented", NOTHING), (NOTHING, None)])
    cells = [[cell for _, cell, _ in row] for row in panel.labelled_rows]
    assert cells == [["Held", amount], ["Presented", NO_AMOUNT], [NOTHING, NO_AMOUNT]]
