"""Staff see runs with their rejects, and pause one or let it go on through the service."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.urls import reverse

from kernel.backfills.models import BackfillRun
from kernel.tenants.models import StaffProfile

pytestmark = pytest.mark.django_db
COMMAND = "backfill_billing_transactions"
ROW = {"reference_id": "r1", "type": "topup", "amount": "10", "occurred_at": "2026-01-01T00:00:00Z"}
LIST = "admin:backfills_backfillrun_changelist"


@pytest.fixture
def staff(client):
    user = get_user_model().objects.create_user("eva", password="a-long-passphrase", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_backfillrun", "view_backfillreject"]))
    StaffProfile.objects.create(user=user, sees_all_tenants=True)
    client.force_login(user)
    return user


@pytest.fixture
def run(call, write, tenant):
    call(COMMAND, "acme", write([ROW, ROW | {"amount": "x"}]), "--plan")
    BackfillRun.objects.update(state="running")
    return BackfillRun.objects.get()


def press(client, run, action):
    return client.post(reverse(LIST), {"action": action, "_selected_action": [str(run.pk)]}, follow=True)


def test_who_may_change_runs_pauses_one_and_lets_it_go_on(client, staff, run):
    staff.user_permissions.add(Permission.objects.get(codename="change_backfillrun"))
    assert b"is paused" in press(client, run, "pause").content
    run.refresh_from_db()
    assert (run.state, run.stopped_because) == ("paused", f"paused by staff:{staff.pk}")
    assert b"nothing to do" in press(client, run, "pause").content
    assert b"is resumed" in press(client, run, "resume").content
    run.refresh_from_db()
    assert run.state == "running"


def test_who_may_only_look_changes_nothing(client, staff, run):
    assert client.get(reverse(LIST)).status_code == 200
    press(client, run, "pause")
    run.refresh_from_db()
    assert run.state == "running"


def test_a_runs_page_shows_what_the_book_did_not_take(client, staff, bring, write):
    run = bring(COMMAND, write([ROW, ROW | {"amount": "x"}]))
    page = client.get(reverse("admin:backfills_backfillrun_change", args=[run.pk])).content.decode()
    assert "must be a plain decimal" in page


def test_a_runs_rejects_are_downloaded_as_the_command_writes_them(client, staff, bring, write, tmp_path):
    path = write([ROW, ROW | {"amount": "x"}, ROW | {"reference_id": "", "amount": "1"}])
    run = bring(COMMAND, path)
    path.unlink()
    response = client.get(reverse("admin:backfills_backfillrun_download_rejects", args=[run.pk]))
    assert response["Content-Disposition"] == f'attachment; filename="{run.pk}.rejects.csv"'
    written = tmp_path / "var" / "backfills" / f"{run.pk}.rejects.csv"
    assert b"".join(response.streaming_content) == written.read_bytes()
    page = client.get(reverse("admin:backfills_backfillrun_change", args=[run.pk])).content.decode()
    assert "Rejected rows as a file" in page
    staff.user_permissions.remove(Permission.objects.get(codename="view_backfillreject"))
    assert client.get(reverse("admin:backfills_backfillrun_download_rejects", args=[run.pk])).status_code == 403
