"""Errors as sentences for staff and operators."""

from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from kernel.base.error_messages import message_for, message_for_operator
from kernel.ledger.errors import Insufficient, InvalidValue, LedgerUnavailable
from kernel.tenants.errors import UnknownScope

COMMANDS = [
    ("create_api_key", "nobody", "--scope=billing:read", "--never-expires"),
    ("verify_ledgers", "--tenant=nobody"),
    ("rebuild_balances", "--plan", "--tenant=nobody"),
    ("export_ledger", "nobody", "billing-transactions", "--output=/dev/null", "--format=csv"),
    ("set_billing_policy", "nobody", "--strict-types"),
    ("define_billing_type", "nobody", "code", "debit"),
    ("set_metering_policy", "nobody"),
    ("set_price", "nobody", "input_tokens=1"),
    ("rebuild_rollups", "--tenant=nobody"),
    ("close_stale_transactions", "--tenant=nobody"),
    ("expire_credits", "--tenant=nobody"),
    ("expire_holds", "--tenant=nobody"),
    ("issue_recurring_credits", "--tenant=nobody"),
    ("backfill_runs", "--tenant=nobody"),
    ("backfill_billing_transactions", "nobody", __file__, "--plan"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_says_in_a_sentence_that_there_is_no_such_tenant(command):
    with pytest.raises(CommandError) as refused:
        call_command(*command)
    assert str(refused.value) == "There is no tenant nobody."


def test_numbers_and_lists_read_as_people_write_them():
    facts = {"balance": Decimal("5.500000"), "held": Decimal(3), "requested": Decimal(10), "floor": None}
    sentence = "10 is more than may be taken: the balance is 5.5, 3 of it is held, and the floor is none."
    assert message_for(Insufficient(**facts)) == sentence
    unknown = UnknownScope(scopes=["billing:raed"], known=["billing:read", "billing:write"])
    assert message_for(unknown) == "There is no scope billing:raed. There are: billing:read, billing:write."


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"field": "amount", "reason": "not_positive", "value": Decimal("-5")}, "The amount must be greater than 0."),
        ({"field": "currency", "reason": "unknown_currency", "value": "ABC"}, "The currency must be a code of ISO 4217, like EUR."),
        ({"field": "cost_of_credit", "reason": "negative"}, "The amount that the customer paid can't be negative."),
        ({"field": "reason", "reason": "too_short", "value": "", "min": 1}, "Enter the reason."),
        ({"field": "reason", "reason": "too_long", "value": "x", "max": 500}, "The reason can have 500 characters at most."),
        ({"field": "amount", "reason": "strange_thing"}, "The amount can't be taken: strange thing."),
    ],
)
def test_what_is_wrong_with_a_value_is_said_in_words(facts, sentence):
    assert message_for(InvalidValue(**facts)) == sentence


def test_the_databases_own_words_are_for_operators_alone():
    error = LedgerUnavailable()
    error.reason = 'role "x" is not permitted to log in'
    assert message_for(error) == "The database takes no postings at present. Nothing was posted."
    assert message_for_operator(error) == f"{message_for(error)} The database says: {error.reason}."
