"""Runs can be listed, looked at, paused and resumed from the terminal."""

import json

import pytest
from django.core.management import CommandError

from kernel.backfills.models import BackfillRun
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
COMMAND = "backfill_billing_transactions"
ROW = {"reference_id": "r1", "type": "topup", "amount": "10", "occurred_at": "2026-01-01T00:00:00Z"}


def test_runs_are_listed_newest_first_with_what_they_refused(bring, call, write):
    first = bring(COMMAND, write([ROW, ROW | {"amount": "x"}]))
    call(COMMAND, "acme", write([ROW]), "--plan")
    second = BackfillRun.objects.order_by("-id").first()
    lines = call("backfill_runs")[0].splitlines()
    assert [line.split()[:2] for line in lines] == [[str(second.id), "planned"], [str(first.id), "finished"]]
    assert "2 of            2         1 refused" in lines[1]
    assert call("backfill_runs", "--state", "planned")[0].splitlines() == lines[:1]
    TenantFactory(slug="outsider")
    assert call("backfill_runs", "--tenant", "outsider")[0] == ""


def test_a_run_is_shown_whole_and_as_json(bring, call, write):
    run = bring(COMMAND, write([ROW]))
    text = call("backfill_runs", str(run.id)[-8:])[0]
    assert f"Plan {run.id}" in text
    assert f"Run {run.id}: finished, 1 of 1 rows" in text
    assert json.loads(call("backfill_runs", run.id, "--json")[0])["plan"] == run.plan


def test_a_run_without_a_process_is_shown_as_killed_and_can_be_paused(call, write, tenant):
    call(COMMAND, "acme", write([ROW]), "--plan")
    BackfillRun.objects.update(state="running")
    run = BackfillRun.objects.get()
    assert " killed " in call("backfill_runs")[0]
    assert " paused " in call("backfill_runs", "--pause", run.id)[0]
    assert " killed " in call("backfill_runs", "--continue", run.id)[0]
    BackfillRun.objects.update(state="finished")
    with pytest.raises(CommandError, match="is finished, and this needs one that is running"):
        call("backfill_runs", "--pause", run.id)
    with pytest.raises(CommandError, match="There is no run zzz"):
        call("backfill_runs", "zzz")
