from io import StringIO

import pytest
from django.core.management import call_command

from kernel.backfills.models import BackfillRun
from tests.factories import TenantFactory
from tests.kernel.backfills import example_ledger


@pytest.fixture
def tenant(db):
    return TenantFactory(slug="acme")


@pytest.fixture
def book(tenant):
    """The table of the shelves, gone again after the test whether it commits or not."""
    example_ledger.make_table()
    yield
    example_ledger.drop_table()


@pytest.fixture
def run_command(tmp_path, settings):
    """Call the shelf's command; its text, and whether it ended clean."""
    settings.BACKFILL_FOLDER = tmp_path / "var" / "backfills"

    def call(*arguments, **options):
        out = StringIO()
        command = example_ledger.ShelfCommand()
        try:
            call_command(command, *map(str, arguments), stdout=out, **options)
        except SystemExit as ended:
            return out.getvalue(), ended.code
        return out.getvalue(), 0

    return call


@pytest.fixture
def plan(run_command):
    """Plan a file for acme and return its run."""

    def make(path, *arguments):
        run_command("acme", path, "--plan", *arguments)
        return BackfillRun.objects.order_by("-id").first()

    return make
