"""Each profile that is shipped reads a file of its kind, is recognised by it, and refuses one with a column renamed."""

from pathlib import Path

import pytest
from django.core.management import CommandError

from kernel.backfills.arguments.profiles import matching_profiles, read_profile, shipped_profiles
from kernel.backfills.models import BackfillReject, BackfillRun
from kernel.backfills.reading.sources import find_source

pytestmark = pytest.mark.django_db
SAMPLES = Path(__file__).parent / "samples"
# By sample: what its rows come to, and the sums.
SAMPLE_COUNTS = {
    "anthropic-usage.csv": ({"posted": 1}, {"none": "0"}),
    "anthropic-usage.json": ({"posted": 1}, {"none": "0"}),
    "generic-bank.csv": ({"posted": 3}, {"EUR": "1165.56"}),
    "lago-wallet-transactions.json": ({"posted": 2, "skipped": 1}, {"USD": "7.5"}),
    "langfuse-observations.json": ({"posted": 2, "skipped": 1}, {"USD": "0.000034500000000000"}),
    "litellm-spend-logs.csv": ({"posted": 2}, {"USD": "0.000034500000000000"}),
    "litellm-spend-logs.json": ({"posted": 1}, {"USD": "0.000034500000000000"}),
    "metronome-usage.csv": ({"posted": 1}, {"none": "0"}),
    "metronome-usage.jsonl": ({"posted": 1}, {"none": "0"}),
    "openai-costs.csv": ({"posted": 2}, {"USD": "0.016181658901234568"}),
    "openai-costs.json": ({"posted": 1}, {"USD": "0.340000000000000000"}),
    "openai-costs.old.csv": ({"posted": 1, "skipped": 1}, {"USD": "0.340900000000000000"}),
    "openai-usage.csv": ({"posted": 1}, {"none": "0"}),
    "openai-usage.json": ({"posted": 1}, {"none": "0"}),
    "openrouter-activity.csv": ({"posted": 1}, {"USD": "430.070000000000000000"}),
    "orb-grants.json": ({"posted": 1, "skipped": 2}, {"USD": "100"}),
    "stripe-balance.csv": ({"posted": 3}, {"EUR": "-20.00", "USD": "1200.00"}),
    "stripe-customer-balance.json": ({"posted": 2}, {"USD": "37.50"}),
}
PROFILES = {profile.name: profile for profile in shipped_profiles()}


def profile_of(sample):
    return PROFILES[sample.partition(".")[0]]


def test_every_profile_has_a_sample():
    assert {path.name for path in SAMPLES.iterdir()} == {*SAMPLE_COUNTS, "orb-ledger.json"}
    assert {path.name.partition(".")[0] for path in SAMPLES.iterdir()} == PROFILES.keys()


@pytest.mark.parametrize("sample", SAMPLE_COUNTS)
def test_a_sample_comes_in_by_its_profile_alone(bring, tenant, sample):
    run = bring(profile_of(sample).command, SAMPLES / sample, "--profile", profile_of(sample).name)
    assert [reject.why for reject in BackfillReject.objects.filter(run_id=run.id)] == []
    assert (run.state, run.counts, run.sums) == ("finished", *SAMPLE_COUNTS[sample])
    assert run.plan["counts"] == run.counts
    assert run.options["profile"] == profile_of(sample).name


def test_the_blocks_of_orb_come_before_what_was_drawn_on_them(bring, tenant):
    bring("backfill_credit_grants", SAMPLES / "orb-grants.json", "--profile", "orb-grants")
    run = bring("backfill_credit_transactions", SAMPLES / "orb-ledger.json", "--profile", "orb-ledger")
    assert (run.counts, run.sums) == ({"posted": 1, "skipped": 2}, {"USD": "-2.5"})


@pytest.mark.parametrize("sample", [path.name for path in sorted(SAMPLES.iterdir())])
def test_a_sample_is_recognised(sample):
    names = [profile.name for profile in matching_profiles(find_source([str(SAMPLES / sample)], format=None))]
    assert sample.partition(".")[0] in names
    assert len(names) == 1 or names == ["orb-grants", "orb-ledger"]


@pytest.mark.parametrize(
    ("sample", "old", "new", "says"),
    [
        ("stripe-balance.csv", "gross", "gross_amount", "The file has no column gross, which the profile stripe-balance reads. It has"),
        ("openai-costs.csv", "amount_value", "amount_val", "The file has no column amount_value, which the profile openai-costs reads."),
        ("generic-bank.csv", "Balance", "Saldo", "The file has no column Balance, which the profile generic-bank reads."),
    ],
)
def test_a_renamed_column_is_named(call, tenant, tmp_path, sample, old, new, says):
    path = tmp_path / sample
    path.write_text((SAMPLES / sample).read_text().replace(old, new, 1))
    with pytest.raises(CommandError, match=says) as refused:
        call(profile_of(sample).command, "acme", path, "--plan", "--profile", profile_of(sample).name)
    assert refused.value.returncode == 3
    assert not BackfillRun.objects.exists()


def test_a_copy_that_was_changed_is_a_profile_too(call, bring, tenant, tmp_path):
    text, _ = call("backfill_profiles", "generic-bank")
    mine, path = tmp_path / "mine.toml", tmp_path / "statement.csv"
    mine.write_text(text.replace("Date =", "Buchung =").replace('"Date"', '"Buchung"').replace("%d.%m.%Y", "%d.%m.%y"))
    path.write_text((SAMPLES / "generic-bank.csv").read_text().replace("Date", "Buchung").replace("2023", "23").replace(".2024", ".24"))
    run = bring("backfill_billing_transactions", path, "--profile", mine)
    assert run.counts == {"posted": 3}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("title = ", "is no TOML"),
        ('command = "x"', "has no options"),
        ('command = "x"\n[options]\n[mapping]', "mapping is not known. A profile has command, header"),
        ('command = "backfill_metered_transactions"\n[options]', "is for manage.py backfill_metered_transactions"),
        ('command = "backfill_billing_transactions"\n[options]\ncolour = "red"', "unrecognized arguments: --colour=red"),
        ('command = "backfill_billing_transactions"\n[options]\nscale = "0"', "argument --scale: '0' is no plain decimal"),
    ],
)
def test_a_profile_that_is_none_is_refused_in_a_sentence(call, tenant, tmp_path, content, says):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(CommandError, match=says) as refused:
        call("backfill_billing_transactions", "acme", SAMPLES / "generic-bank.csv", "--plan", "--profile", path)
    assert refused.value.returncode == 3


def test_profiles_are_listed_and_an_unknown_one_is_named_with_its_nearest(call, tenant):
    text, _ = call("backfill_profiles")
    assert [line.split()[0] for line in text.splitlines()] == list(PROFILES)
    text, _ = call("backfill_profiles", "openrouter-activity", "--command")
    assert text.startswith("manage.py backfill_metered_transactions TENANT FILE --plan --timezone=UTC")
    with pytest.raises(
        CommandError, match=r"There is no profile stripe. Perhaps stripe-balance|There is no profile stripe-ballance. Perhaps"
    ):
        call("backfill_billing_transactions", "acme", SAMPLES / "generic-bank.csv", "--plan", "--profile", "stripe-ballance")


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_says_where_its_file_comes_from(profile):
    assert read_profile(profile.path) == profile
    assert profile.title and profile.notes
    assert all(variant.header for variant in profile.variants)
