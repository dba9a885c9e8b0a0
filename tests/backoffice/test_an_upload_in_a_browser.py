"""A bank's file in a real browser: uploaded, its columns chosen, planned again, posted after a colleague's approval, and taken back."""

import re
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from billing.models import Transaction
from kernel.backfills.models import BackfillUpload
from tests.backoffice.staff_members import PASSWORD, employ
from tests.factories import TenantFactory

CSV = "Beleg;Art;Betrag;Datum;Notiz\n" + "".join(
    f"{number};{'topup' if number % 3 else 'usage'};1.{number:03},50;{number % 28 + 1:02}.01.2025;Überweisung {number}\n"
    for number in range(1, 31)
)
CHOSEN = {"reference_id": "Beleg", "type": "Art", "amount": "Betrag", "occurred_at": "Datum"}


@pytest.fixture
def enter(visit):
    def enter(name, path, **more):
        page = visit(f"/admin/login/?next={path}", **more)
        page.fill("#id_username", name)
        page.fill("#id_password", PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_load_state("networkidle")
        return page

    return enter


def press(page, name):
    page.get_by_role("button", name=name).first.click()
    page.wait_for_load_state("networkidle")


def work(page):
    """The worker's part; the page that follows it then shows the outcome by itself."""
    call_command("work_on_uploads", stdout=StringIO())
    page.wait_for_function("!document.querySelector('meta[http-equiv=refresh]')")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def text_of(page):
    return page.locator("#content-main").inner_text()


@pytest.mark.parametrize("width", [1440, 390])
def test_a_file_is_mapped_planned_posted_by_two_people_and_taken_back(enter, transactional_db, settings, tmp_path, width):
    settings.BACKFILL_FOLDER = tmp_path / "files"
    TenantFactory(name="Acme Robotics", slug="acme")
    employ("clara", "clerk", first_name="Clara", last_name="Klein")
    employ("anna", "approver", first_name="Anna", last_name="Meyer")
    file = tmp_path / "umsätze 2025.csv"
    file.write_text(CSV)

    page = enter("clara", "/admin/backfills/backfillupload/new-file/", width=width)
    page.select_option("#id_tenant", label="Acme Robotics")
    page.select_option("#id_command", label="Billing transactions")
    page.set_input_files("#id_file", file)
    press(page, "Upload and plan")
    assert "Being planned" in text_of(page)

    # It can't know which column is which, and says so; the delimiter it has seen.
    work(page)
    assert "5 columns of the file are not known here" in text_of(page)
    # Neither it nor the form speaks of options of the command.
    assert re.findall(r"--[a-z]+|manage\.py", text_of(page)) == []
    page.click("summary:has-text('more columns')")
    for column, theirs in CHOSEN.items():
        page.select_option(f"#id_from_{column}", theirs)
    page.select_option("#id_decimal", "comma")
    page.select_option("#id_thousands", "point")
    page.fill("#id_date_formats", "%d.%m.%Y")
    page.fill("#id_timezone", "Europe/Berlin")
    page.select_option("#id_others", "keep")
    press(page, "Plan again")
    work(page)
    shown = text_of(page)
    for expected in (
        "Planned",
        "1001.50",
        "kept in metadata",
        "Überweisung 1",
        "It moves at most",
        "with the approver's role",
        "wallet USD",
    ):
        assert expected.lower() in shown.lower()
    press(page, "Ask for approval")
    assert "It waits for a colleague's approval" in text_of(page)

    colleague = enter("anna", urlsplit(page.url).path, width=width)
    assert "Your approval is asked for" in text_of(colleague)
    colleague.fill("#id_text", "Compared with the bank's statement.")
    colleague.get_by_role("button", name="Approve and post").click()
    question = colleague.get_by_role("dialog", name="Approve and post?").inner_text()
    assert "Clara Klein asks to post 30 rows of umsätze 2025.csv, for Acme Robotics." in question
    assert "It moves at most" in question
    press(colleague, "Yes")
    work(colleague)
    assert Transaction.objects.count() == 30
    assert "30" in text_of(colleague)

    page.goto(urlsplit(page.url).path)
    page.fill("#id_text", "The file of another company.")
    press(page, "Ask for approval to take it back")
    colleague.goto(urlsplit(colleague.url).path)
    colleague.get_by_role("button", name="Approve and take back").click()
    press(colleague, "Yes")
    work(colleague)
    assert (Transaction.objects.count(), BackfillUpload.objects.get().state) == (60, "undone")
    for step in ("Clara Klein", "Anna Meyer", "Compared with the bank's statement.", "The file of another company."):
        assert step in text_of(colleague)
