"""The only code that writes spending rules."""

from metering.rules.services.definitions import add_parameter, archive_rule, change_rule, create_rule, restore_rule
from metering.rules.services.upkeep import clean_counters, seed_measures

__all__ = [
    "add_parameter",
    "archive_rule",
    "change_rule",
    "clean_counters",
    "create_rule",
    "restore_rule",
    "seed_measures",
]
