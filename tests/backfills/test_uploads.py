"""A file is uploaded in the back office, planned in the background, read as a person says, posted by one or two people, and taken back."""

import gzip
import io
import zipfile
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from backoffice.clean_up import delete_old_rows
from billing.models import Transaction
from kernel.backfills import jobs
from kernel.backfills.admin import upload_forms
from kernel.backfills.known_commands import adapter_of
from kernel.backfills.models import BackfillRun, BackfillUpload, BackfillUploadStep
from kernel.backfills.terminal.stop_requests import Stop
from kernel.backfills.uploads import background_work
from kernel.corrections import services as corrections
from tests.backoffice.staff_members import employ, log_in

pytestmark = pytest.mark.django_db
NEW = "/admin/backfills/backfillupload/new-file/"
BILLING = "backfill_billing_transactions"
CSV = b"Beleg;Art;Betrag;Datum\n1;topup;1.000,50;31.01.2025\n2;usage;12,50;01.02.2025\n3;usage;x;02.02.2025\n"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.BACKFILL_FOLDER = tmp_path / "files"
    return settings.BACKFILL_FOLDER


@pytest.fixture
def clerk(tenant):
    return log_in(employ("clara", "clerk"))


@pytest.fixture
def approver(tenant):
    return log_in(employ("anna", "approver"))


def token(client, path):
    """The form's own id, as its page holds it."""
    page = client.get(path, follow=True).content.decode()
    return page.split('name="form_id" value="')[1].split('"')[0]


def upload(client, tenant, content=CSV, name="history.csv", command=BILLING, **more):
    sent = {"tenant": tenant.id, "command": command, "file": SimpleUploadedFile(name, content), "form_id": token(client, NEW)} | more
    response = client.post(NEW, sent, follow=True)
    assert response.status_code == 200
    return BackfillUpload.objects.order_by("-id").first()


def work(upload):
    call_command("work_on_uploads", stdout=StringIO())
    upload.refresh_from_db()
    return upload


def page_of(client, upload):
    return client.get(f"/admin/backfills/backfillupload/{upload.pk}/change/")


def take(client, upload, step, **more):
    path = f"/admin/backfills/backfillupload/{upload.pk}/change/"
    sent = {"step": step, "form_id": token(client, path), "run": upload.run_id or "", "command": upload.command} | more
    response = client.post(reverse("admin:backfills_backfillupload_step", args=[upload.pk]), sent, follow=True)
    upload.refresh_from_db()
    return response


GERMAN = {
    "delimiter": "semicolon",
    "decimal": "comma",
    "thousands": "point",
    "date_formats": "%d.%m.%Y",
    "timezone": "Europe/Berlin",
    "from_reference_id": "Beleg",
    "from_type": "Art",
    "from_amount": "Betrag",
    "from_occurred_at": "Datum",
}


def planned(client, tenant, **more):
    found = work(upload(client, tenant))
    take(client, found, "plan", delimiter="semicolon")
    work(found)
    take(client, found, "plan", **GERMAN | more)
    return work(found)


def test_a_file_is_read_as_a_person_says_posted_and_taken_back(clerk, tenant, tmp_path):
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:1", unit="USD", amount=Decimal(5000))
    found = upload(clerk, tenant)
    assert (found.state, "Being planned" in page_of(clerk, found).content.decode()) == ("planning", True)
    # Nobody has said what its columns are: they can be chosen now. The paths of the server are no concern of the reader's.
    assert work(found).state == "refused"
    page = page_of(clerk, found).content.decode()
    assert "4 columns of the file are not known here" in page
    assert '<option value="semicolon" selected>' in page
    assert str(tmp_path) not in page
    take(clerk, found, "plan", **GERMAN)
    assert work(found).state == "planned", found.problem
    assert found.run.plan["counts"] == {"posted": 2, "invalid": 1}
    page = page_of(clerk, found).content.decode()
    for shown in ("1000.50", "2025-01-30T23:00:00+00:00", "must be a number such as 1.234,56", "topup", "It moves at most", "Post 3 rows"):
        assert shown in page
    # Selected as it was chosen.
    assert '<option value="Betrag" selected>' in page

    take(clerk, found, "apply")
    assert (found.state, found.decided_by, work(found).state) == ("applying", "", "applied")
    assert [row.amount for row in Transaction.objects.order_by("entry_number")] == [Decimal("1000.5"), Decimal("12.5")]
    page = page_of(clerk, found)
    rejects = clerk.get(reverse("admin:backfills_backfillrun_download_rejects", args=[found.run_id]))
    assert b"3;usage;x;02.02.2025;4;" in b"".join(rejects.streaming_content)
    assert rejects["Content-Disposition"].split('"')[1] in f"{found.run_id}.rejects.csv"

    take(clerk, found, "undo", text=" ")
    assert found.state == "applied"
    take(clerk, found, "undo", text="Wrong file.")
    assert work(found).state == "undone"
    assert Transaction.objects.count() == 4
    steps = list(BackfillUploadStep.objects.order_by("created_at").values_list("what", "reason"))
    assert steps == [("uploaded", ""), ("planned", ""), ("apply", ""), ("undo", "Wrong file.")]


def test_above_the_threshold_another_person_approves(clerk, approver, tenant):
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:1", unit="USD", amount=Decimal("1000.49"))
    found = planned(clerk, tenant)
    assert "Ask for approval" in page_of(clerk, found).content.decode()
    take(clerk, found, "apply")
    assert (found.state, work(found).state, Transaction.objects.count()) == ("requested", "requested", 0)
    assert take(clerk, found, "approve").status_code == 403
    # The approver finds it on the first page, by a list that holds it; who asked for it has nothing to decide there.
    for colleague, is_listed in ((approver, True), (clerk, False)):
        assert ("Uploaded files waiting for approval" in colleague.get("/admin/").content.decode()) == is_listed
    waiting = approver.get("/admin/backfills/backfillupload/?state__in=requested,undo_requested")
    assert (waiting.status_code, "history.csv" in waiting.content.decode()) == (200, True)
    both = log_in(employ("both", "clerk", "approver"))
    take(both, found, "withdraw")
    assert found.state == "requested"
    take(approver, found, "reject")
    assert found.state == "requested"
    take(approver, found, "reject", text="Which year?")
    assert (found.state, found.requested_by) == ("planned", "")
    take(both, found, "apply")
    assert b"Nobody decides their own request" in take(both, found, "approve").content
    assert found.state == "requested"
    take(approver, found, "approve")
    assert (found.state, work(found).state, Transaction.objects.count()) == ("applying", "applied", 2)
    # What may not be brought in alone may not be taken back alone.
    take(clerk, found, "undo", text="Wrong file.")
    assert found.state == "undo_requested"
    take(approver, found, "approve")
    assert (work(found).state, Transaction.objects.count()) == ("undone", 4)


def test_a_form_that_is_sent_twice_is_one_step(clerk, tenant):
    form_id = token(clerk, NEW)
    first, second = (upload(clerk, tenant, form_id=form_id) for _ in range(2))
    assert (first.pk, BackfillUpload.objects.count()) == (second.pk, 1)
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:1", unit="USD", amount=Decimal(5000))
    found = planned(clerk, tenant)
    sent = {"step": "apply", "form_id": token(clerk, f"/admin/backfills/backfillupload/{found.pk}/change/"), "run": found.run_id}
    for _ in range(2):
        clerk.post(reverse("admin:backfills_backfillupload_step", args=[found.pk]), sent)
    work(found)
    assert (Transaction.objects.count(), BackfillUploadStep.objects.filter(what="apply").count()) == (2, 1)
    # Nor is a form good for another person, and none that shows an older plan.
    assert b"no longer valid" in take(clerk, found, "undo", text="why", form_id="forged").content
    assert b"look again" in take(clerk, found, "undo", text="why", run=found.pk).content
    assert found.state == "applied"


def test_people_see_and_touch_only_their_tenants_files(clerk, approver, tenant, other_tenant):
    found = planned(clerk, tenant)
    stranger = log_in(employ("emil", "clerk", "approver", tenants=[other_tenant]))
    assert page_of(stranger, found).status_code == 404
    step = reverse("admin:backfills_backfillupload_step", args=[found.pk])
    assert stranger.post(step, {"step": "apply", "form_id": token(stranger, NEW), "run": found.run_id}).status_code == 404
    upload(stranger, tenant)
    assert BackfillUpload.objects.count() == 1
    viewer = log_in(employ("victor", "viewer"))
    assert (page_of(viewer, found).status_code, viewer.get(NEW).status_code) == (200, 403)
    assert viewer.post(step, {"step": "apply"}).status_code == 403
    # The approver decides, and asks for nothing; forms need their token.
    assert approver.post(step, {"step": "plan"}).status_code == 404
    assert approver.post(step, {"step": "apply"}).status_code == 403
    careful = type(clerk)(enforce_csrf_checks=True)
    careful.force_login(employ("carl", "clerk"))
    assert careful.post(step, {"step": "apply"}).status_code == 403
    found.refresh_from_db()
    assert found.state == "planned"


def test_a_recognised_file_is_planned_at_once_and_its_options_fill_the_form(clerk, tenant):
    sample = Path(__file__).parent / "samples" / "stripe-balance.csv"
    found = work(upload(clerk, tenant, sample.read_bytes(), "stripe.csv"))
    assert (found.state, found.problem) == ("planned", "")
    page = page_of(clerk, found).content.decode()
    assert "Read as <strong>Stripe: balance" in page
    assert '<option value="net" selected>' in page or '<option value="gross" selected>' in page
    # The form writes the options that it was filled with.
    form = upload_forms.ReadingForm(None, adapter=adapter_of(BILLING), upload=found, arguments=found.arguments)
    values = {name: form.initial.get(name, "") for name in form.fields}
    again = upload_forms.arguments_of(values, adapter_of(BILLING), found.look["columns"])
    assert sorted(again) == sorted(found.arguments)
    # A file of another ledger is recognised as well, and the form is filled for that ledger by a link.
    other = work(upload(clerk, tenant, sample.read_bytes(), "stripe.csv", command="backfill_credit_grants"))
    assert "Fill the form in so" in page_of(clerk, other).content.decode()
    filled = clerk.get(f"/admin/backfills/backfillupload/{other.pk}/change/?profile=stripe-balance").content.decode()
    assert f'name="command" value="{BILLING}"' in filled


def zipped(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return packed.getvalue()


def workbook(cell):
    book, content = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["reference_id", "type", "amount", "occurred_at"])
    book.active.append(["r1", "topup", cell, "2025-01-01"])
    book.save(content)
    return content.getvalue()


def parquet(values):
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"reference_id": ["r1"], "amount": values}), content)
    return content.getvalue()


BAD = {
    "half a zip": ("h.csv.zip", lambda: zipped(history_csv=CSV * 100)[:200], "damaged or cut off"),
    "a zip of two": ("h.csv.zip", lambda: zipped(a_csv=CSV, b_csv=CSV), "holds 2 files"),
    "half a gzip": ("h.csv.gz", lambda: gzip.compress(b"reference_id,type,amount,occurred_at\n" + CSV * 9000)[:200], "cut off"),
    "a formula": ("h.xlsx", lambda: workbook("=1+1"), "cell C2 is a formula. Save the sheet with values"),
    "half a workbook": ("h.xlsx", lambda: workbook(1)[:900], "no XLSX file, or is cut off"),
    "one long line": ("h.csv.gz", lambda: gzip.compress(b"a" * 60_000_000), "line 1 is longer than 4194304 bytes"),
    "one long object": ("h.json.gz", lambda: gzip.compress(b'[{"a": "' + b"a" * 60_000_000), "longer than"),
    "unknown types": ("h.parquet", lambda: parquet(pyarrow.array([timedelta(1)])), "has the type duration[us], which can't be read"),
    "half a parquet": ("h.parquet", lambda: parquet([1])[:200], "no Parquet file that can be read, or is cut off"),
    "a workbook named csv": ("h.csv", lambda: workbook(1), "is a workbook by its content: name it .xlsx, or add --format xlsx"),
    "a parquet named csv": ("h.csv", lambda: parquet([1]), "is Parquet by its content"),
    "a picture": ("h.csv", lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\xff" * 1000, "not a text file"),
    "no known end": ("history", lambda: CSV, "add --format"),
    "a text named xlsx": ("h.xlsx", lambda: CSV, "no XLSX file"),
    "a text named json": ("h.json", lambda: CSV, "is no whole JSON: an array or an object was expected at line 1"),
    "commas in json": ("h.json", lambda: b'{"a": 1}, {"a": 2}', "a value was expected at line 1"),
    "no rows": ("h.csv", lambda: b"reference_id,type,amount,occurred_at\n", "has no rows"),
    "no columns": ("h.csv", lambda: b"\n\n", "is empty"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_can_not_be_read_is_a_sentence_and_writes_nothing(clerk, tenant, kind):
    name, content, sentence = BAD[kind]
    found = work(upload(clerk, tenant, content(), name))
    assert (found.state, BackfillRun.objects.count()) == ("refused", 0)
    assert sentence in found.problem
    page = page_of(clerk, found)
    assert (page.status_code, "Nothing was posted." in page.content.decode()) == (200, True)
    # The page offers to say how it is read.
    assert take(clerk, found, "plan", scale="-1", more="--profile /etc/passwd.toml\n--nothing 1").status_code == 200
    assert found.state == "refused"


def test_a_file_that_is_too_large_is_not_kept(clerk, tenant, settings, folder):
    settings.BACKFILL_UPLOAD_LIMIT = 50
    sent = {"tenant": tenant.id, "command": BILLING, "file": SimpleUploadedFile("h.csv", CSV), "form_id": token(clerk, NEW)}
    page = clerk.post(NEW, sent).content.decode()
    assert "and 50 are allowed" in page
    assert (BackfillUpload.objects.count(), folder.exists()) == (0, False)


def test_a_folder_that_can_not_be_written_is_a_sentence(clerk, tenant, settings, tmp_path):
    (tmp_path / "file").write_text("x")
    settings.BACKFILL_FOLDER = tmp_path / "file"
    sent = {"tenant": tenant.id, "command": BILLING, "file": SimpleUploadedFile("h.csv", CSV), "form_id": token(clerk, NEW)}
    assert b"BACKFILL_FOLDER" in clerk.post(NEW, sent, follow=True).content
    assert BackfillUpload.objects.count() == 0


def test_posting_is_paused_goes_on_and_survives_its_process(clerk, tenant, monkeypatch):
    corrections.set_threshold(tenant_id=tenant.id, actor="staff:1", unit="USD", amount=Decimal(10**9))
    rows = b"".join(b"%d,topup,1,2025-01-01\n" % number for number in range(250))
    found = work(upload(clerk, tenant, b"reference_id,type,amount,occurred_at\n" + rows))
    take(clerk, found, "apply")
    monkeypatch.setattr(background_work, "BATCH_SIZE", 100)
    monkeypatch.setattr(background_work, "LOOK_EVERY_SECONDS", 0)
    check, looks = background_work.UploadStop.check, []

    def pause_at_second_batch(self):
        looks.append(1)
        if len(looks) == 2:
            take(clerk, BackfillUpload.objects.get(), "pause")
        check(self)

    monkeypatch.setattr(background_work.UploadStop, "check", pause_at_second_batch)
    assert (work(found).state, found.run.position, Transaction.objects.count()) == ("paused", 100, 100)
    assert "100 of 250 rows are done: 100 posted, 0 refused." in page_of(clerk, found).content.decode()
    monkeypatch.setattr(background_work.UploadStop, "check", lambda self: (_ for _ in ()).throw(background_work.Interrupted("killed")))
    take(clerk, found, "continue")
    assert (work(found).state, found.tries) == ("applying", 1)
    # Its process is started anew by the clock, and after some tries without a row a person must look.
    for _ in range(5):
        work(found)
    assert (found.state, "tried 5 times" in found.problem) == ("stopped", True)
    monkeypatch.setattr(background_work.UploadStop, "check", Stop.check)
    take(clerk, found, "continue")
    assert (work(found).state, Transaction.objects.count()) == ("applied", 250)


def test_a_plan_is_cancelled_and_a_newer_plan_is_not_replaced_by_it(clerk, tenant, monkeypatch):
    found = upload(clerk, tenant, b"reference_id,type,amount,occurred_at\n1,topup,1,2025-01-01\n")
    monkeypatch.setattr(background_work, "LOOK_EVERY_SECONDS", 0)
    check = background_work.UploadStop.check

    def cancel(self, *steps):
        monkeypatch.setattr(background_work.UploadStop, "check", check)
        for step, sent in steps:
            take(clerk, BackfillUpload.objects.get(), step, **sent)

    def cancel_and_look(self):
        cancel(self, ("cancel", {}))
        check(self)

    monkeypatch.setattr(background_work.UploadStop, "check", cancel_and_look)
    assert (work(found).state, found.run) == ("refused", None)
    page = page_of(clerk, found).content.decode()
    assert all(text in page for text in ("The plan was cancelled", "cancelled the plan", "Plan again"))

    # The process of an older plan doesn't look again before its end.
    monkeypatch.setattr(
        background_work.UploadStop, "check", lambda self: cancel(self, ("cancel", {}), ("plan", {"delimiter": "semicolon"}))
    )
    take(clerk, found, "plan", delimiter="comma")
    assert (work(found).state, found.run, found.arguments) == ("planning", None, ["--delimiter=semicolon"])
    assert (work(found).state, found.run) == ("refused", None)


def test_files_are_deleted_when_their_time_is_over_and_the_record_stays(clerk, tenant, folder):
    found = planned(clerk, tenant)
    assert len([path for path in folder.rglob("*") if path.name == "history.csv"]) == 1
    assert delete_old_rows() == 0
    BackfillUpload.objects.update(moved_at=timezone.now() - timedelta(days=31))
    assert delete_old_rows() == 1
    assert delete_old_rows() == 0
    assert not [path for path in folder.rglob("*") if path.name == "history.csv"]
    page = page_of(clerk, found).content.decode()
    assert "deleted the file, whose time was over" in page
    assert "Plan again" not in page


def test_the_job_runs_the_command_in_a_process_of_its_own(monkeypatch):
    calls = []

    def ran(program, check):
        calls.append((program[-1], check))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(jobs.subprocess, "run", ran)
    assert jobs.work_on_uploads(timestamp=0) == 0
    assert calls == [("work_on_uploads", True)]
    assert jobs.WORK in {task.task.name for task in app.periodic_registry.periodic_tasks.values()}
