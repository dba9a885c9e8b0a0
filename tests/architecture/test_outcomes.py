"""The words with which SQL functions refuse a posting, and the errors that services make of them, are the same."""

import ast
import re

import pytest

from kernel.ledger import outcomes
from kernel.ledger.database_functions.sql_files import current_files
from tests.architecture.file_rules import ROOT

# not_due answers jobs, which pass over it; unnamed never leaves SQL.
NO_REFUSALS = {outcomes.POSTED, outcomes.EXISTS, outcomes.REPLAYED, "not_due", "unnamed"}
DECISIONS = re.compile(r"\b(?:decided|outcome)\s*:=\s*(.*?);|(CASE(?:(?!CASE|END).)*'exists'(?:(?!CASE).)*?END)", re.DOTALL)
WORD = re.compile(r"(?:\bTHEN|\bELSE|^)\s*'(\w+)'")


def decided_words(app):
    """What functions of the app give as an outcome: in an assignment, beside `exists`, or as a function that refuses."""
    found = set()
    for file in current_files(app):
        text = re.sub(r"--.*", "", file.text)
        decisions = [text] if re.search(r"_refus(al|e_amendment|e_payer|e_token)$", file.name) else []
        for decision in [*decisions, *("".join(groups) for groups in DECISIONS.findall(text))]:
            found.update(WORD.findall(decision.strip()))
    return found - NO_REFUSALS


def python_words(folder):
    """All strings of the services, and the keys of each dictionary of functions."""
    words, tables = set(), []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            elif isinstance(node, ast.Dict) and any(isinstance(value, ast.Lambda) for value in node.values):
                tables.append({key.value for key in node.keys if isinstance(key, ast.Constant)})
    return words, tables


@pytest.mark.parametrize(
    ("app", "folder"),
    [
        ("billing", "billing/services"),
        ("credits", "credits/services"),
        ("metering", "metering/services"),
        ("paying", "metering/paying/services"),
    ],
)
def test_every_refusal_of_sql_has_an_error_and_every_error_a_refusal(app, folder):
    decided = decided_words(app)
    words, tables = python_words(folder)
    assert decided - words == set()
    errors = set().union(*(table for table in tables if table & decided))
    assert len(errors) > 5
    assert errors - decided == set()
