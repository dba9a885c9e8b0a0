"""What no committed file may hold, and that each rule can fail."""

import pytest

from tests.house import file_laws


def test_no_committed_file_holds_what_it_may_not():
    wrong = file_laws.all_violations()
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "see /" + "root/countinghouse",
        "DATA = '/" + "home/maria/data'",
        f"open('{file_laws.ROOT}" + "/manage.py')",
        "pip install from https://" + file_laws.REGISTRIES[0],
        "# " + file_laws.LATER[0] + ": later",
        "as .." + "/shared/ledger.md says",
        "see issue" + " #12",
    ],
)
def test_each_rule_can_fail(line):
    assert file_laws.violations("README.md", line)


def test_an_address_in_a_lock_file_is_found():
    assert file_laws.violations("requirements.txt", "a @ https://example.com/a.whl")
    assert file_laws.violations("README.md", "see https://example.com/") == []


@pytest.mark.parametrize(
    "line", ["cd countinghouse", "/usr/bin/env bash", "/v1/billing/transactions", "docs/home/page", "its ~/root/ folder"]
)
def test_what_is_harmless_is_left_alone(line):
    assert file_laws.violations("README.md", line) == []
