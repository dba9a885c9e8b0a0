"""Calling the backfill commands as a person does, and writing files for them."""

import csv
from io import StringIO

import pytest
from django.core.management import call_command

from kernel.backfills.models import BackfillRun
from tests.factories import TenantFactory


@pytest.fixture
def tenant(db):
    return TenantFactory(slug="acme")


@pytest.fixture
def context(tenant):
    return {"tenant_id": tenant.id, "actor": "command:test", "request_id": "test"}


@pytest.fixture
def call(tmp_path, settings):
    """Call a command; what it printed, and its exit code."""
    settings.BACKFILL_FOLDER = tmp_path / "var" / "backfills"

    def call(*arguments):
        out = StringIO()
        try:
            call_command(*map(str, arguments), stdout=out)
        except SystemExit as ended:
            return out.getvalue(), ended.code
        return out.getvalue(), 0

    return call


@pytest.fixture
def bring(call, tenant):
    """Plan a file with a command and apply the plan; the finished run."""

    def bring(command, path, *arguments, slug="acme"):
        call(command, slug, path, "--plan", *arguments)
        planned = BackfillRun.objects.order_by("-id").first()
        call(command, "--apply", planned.id)
        planned.refresh_from_db()
        return planned

    return bring


@pytest.fixture
def write(tmp_path):
    """Write rows (mappings) as a CSV file with all their columns."""

    def write(rows, name="history.csv"):
        columns = list(dict.fromkeys(column for row in rows for column in row))
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def other_tenant(db):
    return TenantFactory(slug="other")
