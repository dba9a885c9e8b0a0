"""The billing ledger in the back office: every list opens, finds, and costs the same with one row and with many."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import services
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
PAGES = ["transaction", "wallet", "transactiontype", "dailytotal", "policy"]


def queries(client, path):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.fixture
def book(record, send, context):
    services.set_policy(**context, near_duplicate_seconds=60)
    first = record(type="topup", amount=5, agent_id="a", metadata={"a": 1}, description="Transfer of Ada Lovelace")
    send("POST", f"{TRANSACTIONS}/{first['id']}/reverse")
    return first


@pytest.mark.parametrize("page", PAGES)
def test_a_list_costs_the_same_with_one_row_and_with_many(admin_client, book, record, page):
    path = f"/admin/billing/{page}/"
    queries(admin_client, path)
    few = queries(admin_client, path)
    for number in range(12):
        record(type=f"kind {number}", amount=1, reference_id=str(number), currency=("USD", "EUR", "GBP")[number % 3])
    assert queries(admin_client, path) == few


@pytest.mark.parametrize("term", ["id", "reference_id"])
def test_a_transaction_is_found_by_exactly_its_id_or_reference(admin_client, book, record, term):
    record(type="fee", amount=1, reference_id="another")
    page = admin_client.get("/admin/billing/transaction/", {"q": book[term]})
    assert [str(row.id) for row in page.context["cl"].result_list] == [book["id"]]
    assert len(admin_client.get("/admin/billing/transaction/", {"q": "nothing"}).context["cl"].result_list) == 0


@pytest.mark.parametrize(
    ("query", "count"),
    [("flag=any", 0), ("reversal=reversal", 1), ("reversal=reversed", 1), ("direction=credit", 2), ("description=lovelace+ada", 1)],
)
def test_filters(admin_client, book, query, count):
    assert len(admin_client.get(f"/admin/billing/transaction/?{query}").context["cl"].result_list) == count


def test_a_row_shows_all_it_holds(admin_client, book):
    page = admin_client.get(f"/admin/billing/transaction/{book['id']}/change/").content.decode()
    assert book["reference_id"] in page


def test_a_reversal_is_no_credit_and_no_debit_in_its_title(admin_client, book):
    [reversal] = admin_client.get("/admin/billing/transaction/?reversal=reversal").context["cl"].result_list
    page = admin_client.get(f"/admin/billing/transaction/{reversal.pk}/change/").content.decode()
    assert (reversal.effect < 0, "Reversal of 5.00 USD" in page, "Credit of" in page) == (True, True, False)


def test_types_are_shown_by_the_label_of_the_tenant_of_the_office_or_in_the_words_of_the_code(admin_client, context, record):
    services.define_type(**context, code="gpu_hours", label="GPU hours", direction="debit")
    rows = {code: record(type=code, amount=1, reference_id=f"of {code}") for code in ("topup", "gpu_hours", "late_fee")}
    lists = [admin_client.get(f"/admin/billing/{page}/").content.decode() for page in ("transaction", "dailytotal")]
    for code, words in {"topup": "Top-up", "gpu_hours": "GPU hours", "late_fee": "Late fee"}.items():
        page = admin_client.get(f"/admin/billing/transaction/{rows[code]['id']}/change/").content.decode()
        assert f'<span title="{code}">{words}</span>' in page
        assert f"{words} of {code}" in page
        assert all(f'<span title="{code}">{words}</span>' in shown for shown in lists)
