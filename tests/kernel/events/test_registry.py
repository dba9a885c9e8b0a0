"""The registry of event types: each has a whole example, and patterns choose among them."""

import json

import pytest
from django.db import connection

from kernel.events import registry

MEMBERS = ["type", "timestamp", "id", "account", "sequence", "apiVersion", "data"]


def test_every_type_has_a_description_and_a_small_example():
    types = registry.list_types()
    assert [each.group for each in types] == sorted((each.group for each in types), key=registry.GROUPS.index)
    for each in types:
        example = each.example
        assert list(example) == MEMBERS
        assert (example["type"], example["apiVersion"]) == (each.name, "2026-12")
        assert (example["account"] is None) == (example["sequence"] is None) == (each.account == "")
        assert example["data"]["object"]
        assert len(json.dumps(example).encode()) < 20_000
        assert each.description.endswith(".")


def test_an_example_is_a_copy():
    registry.get_type("billing.transaction.recorded").example["data"]["object"]["amount"] = 7
    assert registry.get_type("billing.transaction.recorded").example["data"]["object"]["amount"] == 9.5


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*", True),
        ("billing.*", True),
        ("billing.wallet.*", True),
        ("billing.wallet.balance_low", True),
        ("billing.wallet", False),
        ("billing.wallet.balance*", False),
        ("credits.*", False),
        ("", False),
    ],
)
def test_a_pattern_is_a_name_or_the_beginning_of_names(pattern, fits):
    assert registry.matches_pattern(pattern, "billing.wallet.balance_low") is fits
    assert registry.matches_any_pattern(["credits.*", pattern], "billing.wallet.balance_low") is fits


@pytest.mark.django_db
def test_the_database_finds_the_same_patterns_to_fit():
    """events_wanted decides whether an event is written, matches_any_pattern who gets it."""
    names = [each.name for each in registry.list_types()]
    beginnings = {name.rsplit(".", number)[0] for name in names for number in (1, 2)}
    patterns = ["*", "", *names, *beginnings, *(f"{beginning}.*" for beginning in beginnings)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pattern, name FROM unnest(%s::text[]) pattern, unnest(%s::text[]) name WHERE events_wanted(ARRAY[pattern], name)",
            [patterns, names],
        )
        assert set(cursor.fetchall()) == {
            (pattern, name) for pattern in patterns for name in names if registry.matches_pattern(pattern, name)
        }
        cursor.execute("SELECT events_wanted(%s, %s), events_wanted('{}', %s), events_wanted(NULL, %s)", [["x", names[0]], *names[:3]])
        assert cursor.fetchone() == (True, False, None)


def test_a_pattern_that_fits_no_type_is_none_and_the_nearest_is_found():
    assert registry.is_pattern("credits.grant.*")
    assert not registry.is_pattern("credits.grants.*")
    assert registry.nearest_pattern("credits.grants.*") == "credits.grant.*"
    assert registry.nearest_pattern("Billing.Transaction.Recrded") == "billing.transaction.recorded"
    assert registry.nearest_pattern("x") is None


def test_a_type_of_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match="not in GROUPS"):
        registry.register(registry.EventType("x.y", "elsewhere", "X.", "", "x", dict))
