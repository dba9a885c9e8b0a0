"""What no committed file may hold, and that each rule can fail."""

import pytest

from tests.architecture import file_rules


def test_no_committed_file_holds_what_it_may_not():
    wrong = file_rules.all_violations()
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "root/countinghouse",
        "DATA = '/" + "home/maria/data'",
        f"open('{file_rules.ROOT}" + "/manage.py')",
        "pip install from https://" + file_rules.REGISTRIES[0],
        "# " + file_rules.LATER[0] + ": later",
        "as .." + "/shared/ledger.md says",
        "see issue" + " #12",
    ],
)
def test_each_rule_can_fail(line):
    assert file_rules.violations("README.md", line)


def test_an_address_in_a_lock_file_is_found():
    assert file_rules.violations("requirements.txt", "a @ https://example.com/a.whl")
    assert file_rules.violations("README.md", "see https://example.com/") == []


@pytest.mark.parametrize(
    "line", ["cd countinghouse", "/usr/bin/env bash", "/v1/billing/transactions", "docs/home/page", "its ~/root/ folder"]
)
def test_what_is_harmless_is_left_alone(line):
    assert file_rules.violations("README.md", line) == []
