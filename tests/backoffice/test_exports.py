"""Files of what a list shows: exactly those rows, every digit, nothing that a spreadsheet would run, and no more for who sees less."""

import csv
import io
import re
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zipfile import ZipFile

import pytest
from django.test import Client
from django.utils import timezone

from backoffice.exports import background_workbooks
from backoffice.exports.spreadsheets import cell, csv_lines, is_exact_in_excel, write_excel
from backoffice.models import Export, SavedView
from billing import services as billing
from credits import services as credits
from kernel.ledger.exports.formula_escaping import escape_formula
from kernel.tenants.models import StaffProfile, StaffTenant
from metering.services import record_transaction as record_metered
from tests.backoffice.staff_members import employ
from tests.factories import TenantFactory

LIST = "/admin/billing/transaction/"
START = "/admin/backoffice/export/start/"


@pytest.fixture
def tenant(db):
    return TenantFactory()


@pytest.fixture
def viewer(db):
    return employ("victor", "viewer")


@pytest.fixture
def reader(viewer):
    client = Client()
    client.force_login(viewer)
    return client


def charge(tenant, amount, reference_id, *, type="usage", **more):
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
    return billing.record_transaction(**context, amount=Decimal(amount), type=type, reference_id=reference_id, **more).row


def rows_of(response):
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text)))


def take(client, query="", format="csv"):
    return client.get(START, {"format": format, "from": f"{LIST}{query}"})


def test_a_file_holds_exactly_what_is_filtered_and_adds_up(reader, tenant):
    charge(tenant, "100", "a", type="topup")
    charge(tenant, "0.1", "b")
    charge(tenant, "0.000000000000000002", "c")
    rows = rows_of(take(reader, "?direction=debit"))
    assert [row["reference_id"] for row in rows] == ["c", "b"]
    assert sum(Decimal(row["effect"]) for row in rows) == Decimal("-0.100000000000000002")
    assert {row["reference_id"] for row in rows_of(take(reader, "?q=a"))} == {"a"}
    assert len(rows_of(take(reader))) == 3
    assert rows_of(take(reader, "?q=nothing-like-this")) == []


def test_a_file_of_credit_has_signs_and_units_and_every_file_has_names(reader, tenant):
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
    grant = {"customer_id": "c", "name": "Prepaid", "unit_type": "METRIC", "metric_id": "tokens", "currency": "USD"}
    made = credits.create_grant(**context, **grant, amount=Decimal(9))
    credits.record_transaction(**context, grant_id=made.row.id, type="DEBIT", amount=Decimal(2))
    file = rows_of(reader.get(START, {"format": "csv", "from": "/admin/credits/credittransaction/"}))
    found = [(row["effect"], row["unit"], row["grant_name"], row["tenant_name"]) for row in file]
    assert sorted(found) == [("-2", "tokens", "Prepaid", tenant.name), ("9", "tokens", "Prepaid", tenant.name)]


def test_a_file_of_calls_has_what_they_cost_and_one_of_costs_whose_they_are(reader, tenant):
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}

    def call(name, *costs):
        facts = {"service_name": "models", "action_name": "chat", "resource_name": "large", "agent_name": "writer", "customer_id": "acme"}
        rows = [{"fiat_amount": Decimal(amount), "fiat_asset_symbol": unit, "is_estimate": is_early} for amount, unit, is_early in costs]
        record_metered(**context, **facts, costs=rows, idempotency_key=name)

    call("one", ("1.5", "USD", False), ("2", "USD", True))
    call("two", ("1", "USD", False), ("2", "EUR", False))
    call("none")
    calls = rows_of(reader.get(START, {"format": "csv", "from": "/admin/metering/transaction/"}))
    found = {row["idempotency_key"]: (row["cost"], row["cost_estimated"], row["cost_currency"]) for row in calls}
    assert found == {"one": ("3.5", "2", "USD"), "two": ("", "", "EUR, USD"), "none": ("", "", "")}
    costs = rows_of(reader.get(START, {"format": "csv", "from": "/admin/metering/cost/"}))
    names = ("customer_id", "agent_name", "service_name", "action_name", "resource_name")
    assert [[row[name] for name in names] for row in costs] == [["acme", "writer", "models", "chat", "large"]] * 4


def test_the_window_of_the_list_is_the_window_of_the_file(reader, tenant):
    charge(tenant, "1", "a")
    tomorrow = (timezone.now() + timedelta(days=1)).date()
    assert rows_of(take(reader, f"?created_at_from_0={tomorrow}&created_at_from_1=00:00:00")) == []
    assert len(rows_of(take(reader, "?window=today"))) == 1


def test_who_sees_some_tenants_exports_those(reader, viewer, tenant):
    charge(tenant, "1", "mine")
    charge(TenantFactory(), "1", "foreign")
    StaffProfile.objects.filter(user=viewer).update(sees_all_tenants=False)
    StaffTenant.objects.create(profile=viewer.profile, tenant=tenant)
    assert [row["reference_id"] for row in rows_of(take(reader))] == ["mine"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_is_escape_formula(reader, tenant, text):
    charge(tenant, "1", "a", description=text)
    assert rows_of(take(reader))[0]["description"] == f"'{text}"
    assert escape_formula(text).startswith("'")


@pytest.mark.parametrize(
    ("amount", "exact"),
    [
        ("0.1", True),
        ("-1234.5", True),
        ("123456789012345", True),
        ("1234567890123456", False),
        ("0.000000000000000001", True),
        ("1.000000000000000001", False),
        ("99999999999999999999", False),
        ("1e18", True),
        ("0", True),
    ],
)
def test_a_number_goes_to_excel_as_a_number_only_if_none_of_its_digits_is_lost(amount, exact):
    assert is_exact_in_excel(Decimal(amount)) is exact


def test_a_workbook_keeps_every_digit(tmp_path):
    path = tmp_path / "book.xlsx"
    rows = [(Decimal("1.000000000000000001"), Decimal("-0.5"), "=HYPERLINK(1)", True, None, datetime(2026, 11, 29, 12, tzinfo=UTC))]
    assert write_excel(path, ["a", "b", "c", "d", "e", "f"], rows, moved=lambda count: None) == 1
    with ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "1.000000000000000001" in sheet
    assert "<v>-0.5</v>" in sheet
    assert ("<t>=HYPERLINK(1)</t>" in sheet, "'=HYPERLINK" in sheet) == (True, False)
    # A date and time of Excel, not text.
    assert "<v>46355.5</v>" in sheet
    assert "<f>" not in sheet


def test_a_workbook_has_amounts_with_their_decimals_days_as_days_and_the_title_of_its_list(tmp_path):
    path = tmp_path / "book.xlsx"
    rows = [
        (Decimal("1234.5"), "USD", date(2026, 11, 29), 7),
        (Decimal(1234), "JPY", None, 8),
        (Decimal("0.000031"), "USD", None, 9),
        (Decimal("12.5"), "", None, 10),
    ]
    units = [(1,), None, None, None]
    write_excel(path, ["amount", "currency", "day", "number"], rows, moved=lambda count: None, title="daily totals: [a/b]", units=units)
    with ZipFile(path) as archive:
        sheet, styles, book = (archive.read(f"xl/{name}.xml").decode() for name in ("worksheets/sheet1", "styles", "workbook"))
    assert 'name="Daily totals   a b"' in book
    patterns = dict(re.findall(r'numFmtId="(\d+)" formatCode="([^"]+)"', styles)) | {"3": "#,##0", "4": "#,##0.00"}
    used = [patterns.get(number, "") for number in re.findall(r'numFmtId="(\d+)"', styles[styles.index("<cellXfs") :])]
    shown = {cell: used[int(style)] for cell, style in re.findall(r'<c r="(\w+)" s="(\d+)"><v>', sheet)}
    assert shown == {"A2": "#,##0.00", "A3": "#,##0", "A4": "#,##0.000000", "A5": "#,##0.0", "C2": "yyyy-mm-dd"}
    assert "<v>46355</v>" in sheet


def test_a_workbook_names_people_and_has_the_labels_of_types(reader, viewer, tenant):
    billing.define_type(tenant_id=tenant.id, actor="x", request_id="", code="seat", label="Monthly seat", direction="debit")
    charge(tenant, "1", "a", type="seat")
    context = {"tenant_id": tenant.id, "actor": f"staff:{viewer.pk}", "request_id": ""}
    billing.record_transaction(**context, amount=Decimal(1), type="topup", reference_id="b")
    with ZipFile(io.BytesIO(b"".join(take(reader, format="xlsx").streaming_content))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert ">victor<" in sheet
    assert ">Monthly seat<" in sheet
    assert ">Top-up<" in sheet
    assert {row["type"] for row in rows_of(take(reader))} == {"seat", "topup"}


def test_a_workbook_of_a_list_is_a_workbook(reader, tenant):
    charge(tenant, "1", "a")
    response = take(reader, format="xlsx")
    content = b"".join(response.streaming_content)
    assert content.startswith(b"PK")
    assert response["Content-Disposition"].endswith('.xlsx"')


def test_a_million_rows_go_through_without_being_gathered():
    made = 0

    def rows():
        nonlocal made
        for made in range(1, 1_000_001):
            yield (made, "text")

    pieces = csv_lines(["a", "b"], rows())
    assert len(next(pieces)) < 100_000
    assert made < 2_000
    assert sum(piece.count("\n") for piece in pieces) + 999 == 1_000_001


@pytest.mark.parametrize(
    "address", ["https://elsewhere.example.com/admin/", "//elsewhere.example.com", "/v1/", "/admin/nothing/", "/admin/", ""]
)
def test_only_lists_of_this_office_are_exported(reader, address):
    assert reader.get(START, {"from": address}).status_code == 404


def test_who_may_not_see_a_list_can_not_export_it(reader):
    assert reader.get(START, {"from": "/admin/auth/user/"}).status_code in {403, 404}


@pytest.mark.django_db(transaction=True)
def test_a_long_workbook_is_written_behind_a_progress_page(tenant, reader, viewer, monkeypatch, settings, tmp_path):
    settings.EXPORT_FOLDER = tmp_path
    monkeypatch.setattr(background_workbooks, "MAX_DIRECT_ROWS", 2)
    for number in range(5):
        charge(tenant, "1", str(number))
    response = take(reader, "?window=all", format="xlsx")
    assert response.status_code == 302
    assert "Export" in reader.get(response["Location"]).content.decode()
    until = time.monotonic() + 20
    while Export.objects.get().state == Export.State.WRITING and time.monotonic() < until:
        time.sleep(0.05)
    export = Export.objects.get()
    assert (export.state, export.rows) == (Export.State.READY, 5)
    page = reader.get(response["Location"]).content.decode()
    file = f"/admin/backoffice/export/{export.id}/file/"
    assert file in page
    assert b"".join(reader.get(file).streaming_content).startswith(b"PK")
    # Who has left that page finds the file among the exports.
    assert file in reader.get(f"/admin/backoffice/export/{export.id}/change/").content.decode()


def test_an_export_that_died_says_so_and_offers_a_way_on(reader, viewer):
    export = Export.objects.create(user=viewer, title="x", source=LIST, format="xlsx", moved_at=timezone.now() - timedelta(hours=1))
    page = reader.get(f"/admin/backoffice/export/{export.id}/progress/").content.decode()
    assert "Start again" in page
    assert "http-equiv" not in page


def test_an_export_is_downloaded_only_by_its_user(reader, boss):
    export = Export.objects.create(user=boss, title="x", source=LIST, format="xlsx", state=Export.State.READY)
    for page in ("progress", "file"):
        assert reader.get(f"/admin/backoffice/export/{export.id}/{page}/").status_code == 404


def test_a_view_is_saved_found_again_and_forgotten(reader, tenant):
    address = f"{LIST}?direction=debit&window=7"
    reader.post("/admin/backoffice/savedview/save/", {"from": address, "name": "Debits of the week"})
    saved = SavedView.objects.get()
    page = reader.get(LIST).content.decode()
    assert "Debits of the week" in page
    assert "?direction=debit&amp;window=7" in page
    reader.post(f"/admin/backoffice/savedview/{saved.id}/remove/")
    assert not SavedView.objects.exists()


def test_ones_own_zone_is_ones_own_to_choose(reader, tenant):
    charge(tenant, "1", "a")
    assert "There is no such time zone" in reader.post("/admin/backoffice/profile/", {"time_zone": "Mars/Olympus"}).content.decode()
    assert reader.post("/admin/backoffice/profile/", {"time_zone": "Asia/Tokyo"}).status_code == 302
    html = reader.get(LIST).content.decode()
    assert " JST</time>" in html
    assert "+00:00" in html


def test_cells_of_every_kind():
    moment = timezone.now()
    assert cell(None) == ""
    assert cell(["a", "b"]) == "a, b"
    assert cell({"a": 1}) == '{"a": 1}'
    assert cell(moment) == moment.isoformat()


def test_the_palette_finds_a_row_by_its_reference_in_whatever_case_it_has(reader, tenant):
    charge(tenant, "1", "INV-Case-7")
    html = reader.get("/admin/search/", {"s": "INV-Case-7", "extended": "1"}).content.decode()
    assert "Usage INV-Case-7" in html
    for part in ("INV-Case", "inv-case", "case-7", "amount:1"):
        assert "Usage INV-Case-7" in reader.get("/admin/search/", {"s": part, "extended": "1"}).content.decode(), part


def test_the_palette_shows_nothing_of_a_tenant_that_was_taken_away_meanwhile(reader, viewer, tenant):
    charge(tenant, "5", "INV-Secret")
    search = {"s": "INV-Secret", "extended": "1"}
    assert "INV-Secret" in reader.get("/admin/search/", search).content.decode()
    StaffProfile.objects.filter(user=viewer).update(sees_all_tenants=False)
    assert "Usage INV-Secret" not in reader.get("/admin/search/", search).content.decode()


def test_the_command_palette_shows_the_same_case_first(reader, tenant):
    charge(tenant, "5", "abc")
    charge(tenant, "5", "ABC")
    for term, other in (("abc", "ABC"), ("ABC", "abc")):
        html = reader.get("/admin/search/", {"s": term, "extended": "1"}).content.decode()
        assert html.index(f"Usage {term}") < html.index(f"Usage {other}")
