"""The plan looks at the file before it reads all of it: which export it is, what its first rows become, which names are new."""

import pytest
from django.core.management import CommandError

from kernel.backfills.models import BackfillRun
from tests.backfills.test_profiles import SAMPLES

pytestmark = pytest.mark.django_db
BILLING, METERING = "backfill_billing_transactions", "backfill_metered_transactions"
NAMES = ["--map", "id=reference_id", "--map", "when=occurred_at"]


@pytest.fixture
def csv_file(tmp_path):
    def csv_file(*lines, name="history.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return csv_file


def refusal(call, path, *arguments, command=BILLING):
    with pytest.raises(CommandError) as refused:
        call(command, "acme", path, "--plan", *arguments)
    assert (refused.value.returncode, BackfillRun.objects.count()) == (3, 0)
    return str(refused.value).splitlines()


def test_a_known_export_is_recognised_and_its_command_is_proposed(call, tenant):
    stripe, langfuse = SAMPLES / "stripe-balance.csv", SAMPLES / "langfuse-observations.json"
    assert refusal(call, stripe)[-1] == (
        "This looks like stripe-balance (Stripe: balance change from activity, itemized (CSV)):"
        f" manage.py backfill_billing_transactions TENANT {stripe} --plan --profile stripe-balance"
    )
    # Another ledger's file, too.
    assert refusal(call, SAMPLES / "openrouter-activity.csv")[-1].endswith("--plan --profile openrouter-activity")
    assert "--profile langfuse-observations" in call(METERING, "acme", langfuse, "--plan")[0]


def test_semicolons_and_decimal_commas_are_seen(call, tenant):
    lines = refusal(call, SAMPLES / "generic-bank.csv")
    assert lines[-2:] == [
        "Its first line looks as if semicolon divides the columns: --delimiter semicolon.",
        "Amounts look like 1.234,56: --decimal comma --thousands point.",
    ]
    assert "generic-bank" in lines[-3]


FORMS = {
    "Amounts look like 1.234,50: --decimal comma --thousands point.": ("1.234,50", "2026-01-01T00:00:00Z", []),
    "Amounts look like 1,234.50: --thousands comma.": ("1,234.50", "2026-01-01T00:00:00Z", []),
    "Amounts look like 3.45e-05: --numbers scientific.": ("3.45e-05", "2026-01-01T00:00:00Z", []),
    "Amounts look like (5.00): --negative parentheses.": ("(5.00)", "2026-01-01T00:00:00Z", []),
    "Times look like 31.12.2023 10:15: --date-format %d.%m.%Y %H:%M.": ("1", "31.12.2023 10:15", []),
    "Times look like 31/12/2023, the day first: --date-format %d/%m/%Y.": ("1", "31/12/2023", []),
    "Times look like 12/31/23, the month first: --date-format %m/%d/%y.": ("1", "12/31/23", []),
    "Times look like 01/02/2023, and no row says whether the day or the month is first: --date-format %d/%m/%Y or --date-format"
    " %m/%d/%Y.": (
        "1",
        "01/02/2023",
        [],
    ),
    "Times look like numbers since 1970: --date-format epoch-ms.": ("1", "1764115200000", []),
    "Times such as 2024-01-02 10:15 name no offset: --timezone UTC, or the zone that they were written in.": ("1", "2024-01-02 10:15", []),
}


@pytest.mark.parametrize("hint", FORMS)
def test_the_form_of_amounts_and_times_is_seen(call, tenant, csv_file, hint):
    amount, when, options = FORMS[hint]
    path = csv_file("id;type;amount;when", f"r1;topup;{amount};{when}")
    text, code = call(BILLING, "acme", path, "--plan", "--delimiter", "semicolon", *NAMES, *options)
    assert code == 1
    assert BackfillRun.objects.get().plan["hints"] == [hint]
    assert f"Note: {hint}" in text


def test_letters_that_are_no_utf_8_are_seen(call, tenant, csv_file):
    path = csv_file("id,type,amount,when,description", "r1,topup,1,2026-01-01,Gebühr", encoding="latin-1")
    text, code = call(BILLING, "acme", path, "--plan", *NAMES)
    assert (code, "Note: Some letters are not UTF-8: --encoding windows-1252 or latin-1" in text) == (1, True)


def test_an_object_with_a_list_is_seen(call, tenant):
    text, _ = call(METERING, "acme", SAMPLES / "openai-usage.json", "--plan")
    assert "Note: It is an object whose member data is a list of objects: --items data." in text


def test_the_first_rows_are_shown_as_they_are_and_as_they_are_read(call, tenant, csv_file):
    rows = [f"r{number},topup,1,2026-01-01,x" for number in range(20)]
    path = csv_file("id,type,amount,when,rest", "r0,Topup\u200b,2,2026-01-01,x", "#,,,,", *rows)
    text, _ = call(
        BILLING, "acme", path, "--plan", *NAMES, "--ignore", "rest", "--skip-rows-where", "id=#", "--map-value", "type:Topup=topup"
    )
    plan = BackfillRun.objects.get().plan
    assert len(plan["first_rows"]) == 10
    assert plan["first_rows"][2] == {
        "place": "line 4",
        "before": {"id": "r0", "type": "topup", "amount": "1", "when": "2026-01-01", "rest": "x"},
        "after": {"reference_id": "r0", "type": "topup", "amount": "1", "occurred_at": "2026-01-01T00:00:00+00:00"},
        "why": "",
        "is_skipped": False,
    }
    assert plan["left_out"] == ["rest"]
    lines = text.splitlines()
    at = lines.index("The first rows, as the file has them and as they are read:")
    assert lines[at + 1 : at + 5] == [
        "  line 2  id=r0  type=Topup\\u200b  amount=2  when=2026-01-01  rest=x",
        "    reference_id=r0  type=Topup\\u200b  amount=2  occurred_at=2026-01-01T00:00:00+00:00",
        "  line 3  id=#",
        "    is left out",
    ]
    assert "Left out: rest" in lines


def test_new_names_are_listed_with_their_rows(bring, call, tenant, csv_file):
    header = "idempotency_key,service_name,agent_name,fiat_amount,fiat_asset_symbol,occurred_at,outcome"
    bring(METERING, csv_file(header, "k0,openai,robot,1,USD,2026-01-01,success"))
    path = csv_file(header, *(f"k{n},openai,r\u043ebot,1,{unit},2026-01-01,success" for n, unit in enumerate(["USD", "EUR", "EUR"], 1)))
    text, _ = call(METERING, "acme", path, "--plan")
    plan = BackfillRun.objects.order_by("-id").first().plan
    assert plan["new_names"] == {
        "agents": {"count": 1, "names": [{"name": "r\u043ebot", "rows": 3}]},
        "currencies": {"count": 1, "names": [{"name": "EUR", "rows": 2}]},
    }
    assert "New in this ledger, with their rows:\n  agents: 'r\u043ebot' 3\n  currencies: 'EUR' 2\n" in text
    types = csv_file("id,type,amount,when", "r1,topup,1,2026-01-01", name="types.csv")
    assert "  currencies: 'USD' 1\n  types: 'topup' 1" in call(BILLING, "acme", types, "--plan", *NAMES)[0]
    grants = csv_file("idempotency_key,customer_id,name,unit_type,amount,effective_date", "g1,c1,x,CURRENCY,5,2026-01-01", name="g.csv")
    assert "  customers: 'c1' 1\n  units: 'USD' 1" in call("backfill_credit_grants", "acme", grants, "--plan")[0]


def test_rows_with_the_key_of_an_earlier_one_are_pointed_out(call, tenant, csv_file):
    path = csv_file("type,amount,when", *["topup,5,2026-01-01"] * 3)
    text, code = call(BILLING, "acme", path, "--plan", *NAMES[2:], "--key-from", "when,amount")
    assert (code, BackfillRun.objects.get().plan["counts"]) == (0, {"posted": 1, "already_there": 2})
    assert (
        "2 rows are equal to an earlier row of the file and posted once; the first is line 3. If they are rows of their own, add a"
        " column that tells them apart to --key-from, or _line."
    ) in text
