"""A type that the catalogue lacks never gets a direction by chance: the file's own spelling of `usage` must not become a credit."""

import json

import pytest
from django.core.management import CommandError

from billing.models import TransactionType, Wallet
from kernel.backfills.models import BackfillReject, BackfillRun
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
COMMAND = "backfill_billing_transactions"
MISSPELT = ["Usage", "USAGE", "usage ", "us\u200bage", "usgae"]


def row(number, kind, amount="10", **more):
    return {"reference_id": f"r{number}", "type": kind, "amount": amount, "occurred_at": "2026-01-01T00:00:00Z"} | more


@pytest.fixture
def misspelt(write):
    return write([row(number, kind) for number, kind in enumerate(MISSPELT)])


def test_misspelt_types_are_refused_and_named_with_near_spellings(call, misspelt, tenant):
    text, code = call(COMMAND, "acme", misspelt, "--plan")
    assert code == 1
    run = BackfillRun.objects.get()
    assert run.plan["counts"] == {"unknown_type": 5}
    assert [(unknown["type"], unknown["rows"], unknown["near"]) for unknown in run.plan["unknown_types"]] == [
        (kind, 1, ["usage"]) for kind in MISSPELT
    ]
    assert "'Usage'  1 rows  --map-value type:Usage=usage  or  --new-type Usage=debit|credit|signed" in text
    assert r"'us\u200bage'  1 rows  --map-value 'type:us\u200bage=usage'" in text
    assert "--map-value 'type:usage =usage'" in text


def test_an_application_refuses_them_as_the_plan_said_and_writes_nothing(bring, misspelt, tenant):
    run = bring(COMMAND, misspelt)
    assert run.counts == run.plan["counts"] == {"unknown_type": 5}
    assert not Wallet.objects.filter(tenant=tenant).exists()
    assert not TransactionType.objects.filter(tenant=tenant).exclude(code="usage").exists()
    assert BackfillReject.objects.filter(run_id=run.id).first().why == (
        "the catalogue has no type 'Usage': map it with --map-value or give its direction with --new-type"
    )


def test_mapped_values_are_read_as_the_type_that_is_meant(bring, misspelt, tenant):
    maps = ["type:Usage=usage", "type:USAGE=usage", "type:usage =usage", r"type:us\u200bage=usage", "type:usgae=usage"]
    run = bring(COMMAND, misspelt, *[part for one in maps for part in ("--map-value", one)])
    assert run.counts == {"posted": 5}
    assert Wallet.objects.get(tenant=tenant).balance == -50


def test_a_json_value_is_mapped_as_well(bring, tenant, tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(row(1, "Usage")) + "\n")
    run = bring(COMMAND, path, "--map-value", "type:Usage=usage")
    assert run.counts == {"posted": 1}
    assert Wallet.objects.get(tenant=tenant).balance == -10


@pytest.mark.parametrize(("direction", "balance"), [("debit", -10), ("credit", 10), ("signed", 10)])
def test_a_new_type_counts_in_the_direction_that_was_given(bring, write, tenant, direction, balance):
    run = bring(COMMAND, write([row(1, "minutes")]), "--new-type", f"minutes={direction}")
    assert run.plan["counts"] == run.counts == {"posted": 1}
    assert Wallet.objects.get(tenant=tenant).balance == balance


def test_a_type_of_the_catalogue_needs_no_direction_and_keeps_its_own(bring, write, tenant, context):
    from billing import services

    services.define_type(**context, code="minutes", label="Minutes", direction="debit")
    assert bring(COMMAND, write([row(1, "minutes")])).counts == {"posted": 1}
    run = bring(COMMAND, write([row(2, "minutes")], "other.csv"), "--new-type", "minutes=credit")
    assert run.plan["counts"] == run.counts == {"invalid_value": 1}


def test_a_direction_in_the_file_that_contradicts_the_option_is_refused(bring, write):
    run = bring(COMMAND, write([row(1, "minutes", direction="credit")]), "--new-type", "minutes=debit")
    assert run.counts == {"invalid": 1}
    assert BackfillReject.objects.get(run_id=run.id).why == "direction: is credit where --new-type says minutes=debit"


def test_a_strict_tenant_takes_no_new_type(bring, write, context):
    from billing import services

    services.set_policy(**context, strict_types=True)
    run = bring(COMMAND, write([row(1, "minutes")]), "--new-type", "minutes=debit")
    assert run.plan["counts"] == run.counts == {"unknown_type": 1}


def test_an_outsiders_catalogue_says_nothing(call, write, context):
    from billing import services

    services.define_type(**context, code="minutes", label="Minutes", direction="debit")
    TenantFactory(slug="outsider")
    assert call(COMMAND, "outsider", write([row(1, "minutes")]), "--plan")[1] == 1


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["--map-value", "type=usage"], "COLUMN:THEIRS=OURS", 1),
        (["--map-value", "kind:a=b"], "there is no such column", 3),
        (["--new-type", "minutes=down"], "must be one of", 3),
        (["--delimiter", "ab"], "neither one ASCII character nor one of", 1),
    ],
)
def test_an_option_that_can_not_be_meant_is_refused(call, write, arguments, says, code):
    with pytest.raises(CommandError, match=says) as refused:
        call(COMMAND, "acme", write([row(1, "usage")]), "--plan", *arguments)
    # An error of argparse has code 1 when called from Python, and exits with 2 from a shell.
    assert refused.value.returncode == code


@pytest.mark.parametrize("name", ["tab", r"\t", "\t"])
def test_a_delimiter_may_be_named(call, tenant, tmp_path, name):
    path = tmp_path / "history.csv"
    path.write_text("reference_id\ttype\tamount\toccurred_at\nr1\tusage\t1\t2026-01-01\n")
    assert call(COMMAND, "acme", path, "--plan", "--delimiter", name)[1] == 0


def test_a_key_with_an_invisible_edge_is_refused_by_row(bring, write):
    """Two exports joined by hand: the second one's byte order mark stands before its first key."""
    run = bring(COMMAND, write([row(1, "usage"), row(1, "usage") | {"reference_id": "\ufeffr1"}]))
    assert run.plan["counts"] == run.counts == {"posted": 1, "invalid": 1}
    assert "invisible character U+FEFF" in BackfillReject.objects.get(run_id=run.id).why


@pytest.mark.parametrize("rows_at_once", [1, 1000])
def test_the_first_row_of_a_new_type_decides_for_the_rows_after_it(bring, write, tenant, rows_at_once):
    """In the plan and when applied, whether or not its row is in the ledger by then."""
    directions = {"minutes": ["", "debit", "", "credit", "debit"], "usage": ["credit", "", "debit"], "points": ["signed", "", "debit"]}
    rows = [
        row(f"{kind}{number}", kind, direction=stated)
        for kind, all_stated in directions.items()
        for number, stated in enumerate(all_stated)
    ]
    run = bring(COMMAND, write(rows), "--batch-size", str(rows_at_once))
    assert run.plan["counts"] == run.counts == {"unknown_type": 2, "posted": 6, "invalid_value": 3}
    assert Wallet.objects.get(tenant=tenant).balance == -30 + 20 + 10
    assert "is debit in this" in BackfillReject.objects.filter(run_id=run.id).order_by("line")[1].why
