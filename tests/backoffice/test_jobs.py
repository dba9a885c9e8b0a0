"""Work that the office has done by the clock: summing days and cleaning up; and jobs that failed."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from backoffice import jobs
from backoffice.exports.background_workbooks import path_of
from backoffice.models import ClosedDay, Export, SignIn
from tests.backoffice.staff_members import employ

pytestmark = pytest.mark.django_db


def test_the_job_and_the_command_sum_the_days_that_are_over():
    assert jobs.close_days(timestamp=0) == ClosedDay.objects.count() > 0
    out = StringIO()
    call_command("close_days", stdout=out)
    assert out.getvalue().strip() == "0 days summed."


def test_old_exports_are_deleted_with_their_files_and_new_ones_stay(settings, tmp_path):
    settings.EXPORT_FOLDER = tmp_path
    user = employ("victor", "viewer")
    old, new = (Export.objects.create(user=user, title="t", source="/admin/", format="xlsx") for _ in range(2))
    Export.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    for export in (old, new):
        path_of(export).write_text("x")
    recent = SignIn.objects.create(name_digest="a", outcome="ok")
    SignIn.objects.create(name_digest="b", outcome="ok", at=timezone.now() - timedelta(days=91))
    assert jobs.clean_up_office(timestamp=0) == 2
    assert (list(Export.objects.all()), list(SignIn.objects.all())) == ([new], [recent])
    assert (path_of(old).exists(), path_of(new).exists()) == (False, True)


def test_every_job_is_scheduled_and_tried_again_when_it_fails():
    names = {"backoffice.close_days", "backoffice.clean_up"}
    assert names <= {task.task.name for task in app.periodic_registry.periodic_tasks.values()}
    assert [
        name for name, task in app.tasks.items() if not name.startswith(("builtin:", "procrastinate.")) and task.retry_strategy is None
    ] == []


@pytest.fixture
def failed_job(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, args, attempts) "
            "VALUES ('default', 'credits.expire_credits', 'failed', '{}', 5) RETURNING id"
        )
        yield cursor.fetchone()[0]


def test_a_failed_job_is_listed_by_a_command_and_run_again_on_request(failed_job):
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("failed_jobs", stdout=out)
    assert (ended.value.code, f"{failed_job}  credits.expire_credits  5 attempts" in out.getvalue()) == (1, True)
    call_command("failed_jobs", "--retry", failed_job, stdout=out)
    call_command("failed_jobs", stdout=out)
    assert "No job has failed." in out.getvalue()
    with pytest.raises(CommandError):
        call_command("failed_jobs", "--retry", failed_job)
