"""What is kept beside the entries can be made anew from them, and only from entries that hold together."""

import pytest
from django.core.management import CommandError

from tests.backfills.test_verify_ledgers import books, plant, violated_checks  # noqa: F401 - a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]


def test_there_is_nothing_to_do_in_a_right_book(call):
    assert call("rebuild_balances", "--plan") == ("Every balance and total is that of its entries.\n", 0)


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE billing_wallet SET balance = balance + 1, last_entry_number = 7", "billing_wallet_equals_last_entry"),
        ("UPDATE billing_wallet SET held = held + 1", "billing_held_equals_holds"),
        ("UPDATE billing_dailytotal SET debits = debits + 1", "billing_daily_total"),
        ("DELETE FROM billing_dailytotal WHERE type = 'topup'", "billing_daily_total"),
        ("UPDATE credits_grant SET balance = balance - 1 WHERE idempotency_key = 'g'", "credits_grant_equals_last_entry"),
        ("UPDATE credits_grant SET held = 1 WHERE idempotency_key = 'g'", "credits_held_equals_lines"),
    ],
)
def test_a_plan_shows_what_differs_and_an_application_sets_it_right(call, statement, check):
    plant(statement)
    text, code = call("rebuild_balances", "--plan")
    assert code == 1
    assert check in text
    assert violated_checks() == {check}
    assert call("rebuild_balances", "--apply", "--tenant", "acme")[1] == 0
    assert violated_checks() == set()


def test_nothing_is_made_of_entries_that_are_wrong_themselves(call):
    plant("UPDATE billing_transaction SET balance_after = balance_after + 1 WHERE entry_number = 4")
    assert violated_checks() >= {"billing_running_balance", "billing_wallet_equals_last_entry"}
    with pytest.raises(CommandError, match=r"contradict each other \(check billing_running_balance\)") as refused:
        call("rebuild_balances", "--apply")
    assert refused.value.returncode == 3


def test_metered_sums_are_made_anew_as_well(call):
    plant("UPDATE metering_rollup SET amount = amount + 1 WHERE currency = 'USD'")
    assert violated_checks() == {"metering_rollup_sums"}
    call("rebuild_rollups", "--tenant", "acme")
    assert violated_checks() == set()
