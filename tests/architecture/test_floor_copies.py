"""Nothing compares an amount with a wallet's floor but billing_floor_allows and the copies of it that CONTRIBUTING.md lists.

A copy that hides the floor behind a name without the word `floor` isn't found here; tests/billing/test_floor.py finds it where it decides.
"""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.architecture.file_rules import ROOT
from tests.architecture.source_rules import PACKAGES

MAY_COMPARE = {
    # The rule.
    "billing/sql/billing_floor_allows.sql",
    # plan_floor_allows: the copy for the plan of a backfill.
    "billing/selectors/floors.py",
    # billing_wallet_floor_check and billing_policy_default_floor_check.
    "billing/models.py",
}
# The name of a floor, or a call of billing_spendable or billing_floor_or_zero; the function floor() of numbers is none.
FLOOR = re.compile(r"\b(?:billing_spendable|billing_floor_or_zero|(?!floor\s*\()\w*floor)\b", re.IGNORECASE)
# Not the arrows of JSON and of named arguments, and not <>, which asks whether a floor was changed.
ORDERING = re.compile(r"(?<![-=<>])[<>]=?(?!>)|\bBETWEEN\b", re.IGNORECASE)
# What stands between two conditions or values.
BETWEEN_TERMS = re.compile(r"\b(?:AND|OR|NOT|CASE|WHEN|THEN|ELSE|END|IF|SELECT|FROM|JOIN|ON|WHERE|RETURN|SET)\b|:=|[;,]", re.IGNORECASE)
ORDERING_NODES = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
LOOKUPS = ("__lt", "__lte", "__gt", "__gte", "__range")


def sql_comparisons(text: str) -> list[str]:
    terms = BETWEEN_TERMS.split(re.sub(r"--[^\n]*", "", text))
    return [" ".join(term.split()) for term in terms if FLOOR.search(term) and ORDERING.search(term)]


def names_floor(node: ast.AST) -> bool:
    """Whether an expression has a name, an attribute, a key or a column that ends in `floor`."""
    names = (
        getattr(part, "id", None) or getattr(part, "attr", None) or getattr(part, "value", None)
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute | ast.Constant)
    )
    return any(isinstance(name, str) and name.endswith("floor") for name in names)


def python_comparisons(text: str) -> Iterator[str]:
    tree = ast.parse(text)
    scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, scopes)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(sign, ORDERING_NODES) for sign in node.ops) and names_floor(node):
            yield ast.unparse(node)
        elif isinstance(node, ast.keyword) and node.arg and node.arg.endswith(LOOKUPS):
            if node.arg.rpartition("__")[0].endswith("floor") or names_floor(node.value):
                yield f"{node.arg}={ast.unparse(node.value)}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            yield from sql_comparisons(node.value)


def comparisons(name: str, text: str) -> list[str]:
    return sql_comparisons(text) if name.endswith(".sql") else list(python_comparisons(text))


def code_files() -> Iterator[tuple[str, str]]:
    """Those that run now: migrations and frozen files are of the past."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in {".py", ".sql"} and "/migrations/" not in name and "/frozen/" not in name:
                yield name, path.read_text()


def test_only_the_rule_and_its_listed_copies_compare_with_a_floor():
    found = {name: copies for name, text in code_files() if (copies := comparisons(name, text))}
    new = {name: copies for name, copies in found.items() if name not in MAY_COMPARE}
    assert new == {}, "Call billing_floor_allows instead. A copy that can't call it goes into the table of CONTRIBUTING.md."
    assert set(found) == MAY_COMPARE


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("metering/paying/sql/paying_x.sql", "SELECT wallet.balance - part >= coalesce(wallet.floor, 0) FROM billing_wallet wallet"),
        ("billing/sql/billing_x.sql", "IF after < hold_floor AND is_final THEN"),
        ("billing/sql/billing_x.sql", "SELECT billing_spendable(balance, held, floor) < 0"),
        ("billing/sql/billing_x.sql", "WHERE balance BETWEEN floor AND 0"),
        ("billing/services/x.py", "if wallet.balance - amount < wallet.floor:\n    pass"),
        ("billing/imports/x.py", "allowed = floor is None or balance >= floor + held"),
        ("billing/imports/x.py", "allowed = row['balance'] >= row['floor']"),
        ("backoffice/x.py", "Wallet.objects.filter(balance__lt=F('floor') + F('held'))"),
        ("backoffice/x.py", "Policy.objects.filter(default_floor__gt=0)"),
        ("backoffice/x.py", "LOW = 'SELECT id FROM billing_wallet WHERE balance - held < floor'"),
    ],
)
def test_a_planted_copy_is_found(name, planted):
    assert comparisons(name, planted)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("billing/sql/billing_x.sql", "SELECT floor(extract(epoch FROM moment) / 3600) > 5"),
        (
            "billing/sql/billing_x.sql",
            "IF billing_floor_allows(balance => wallet.balance, held => 0, floor => wallet.floor) THEN",
        ),
        ("billing/sql/billing_x.sql", "IF new.floor <> old.floor OR wallet ->> 'floor' IS NULL THEN"),
        ("billing/sql/billing_x.sql", "SELECT amount > 0, wallet.floor -- below the floor if balance < floor"),
        ("billing/services/x.py", "changed = floor != wallet.floor and amount > 0"),
    ],
)
def test_what_compares_nothing_with_a_floor_is_left_alone(name, text):
    assert comparisons(name, text) == []
