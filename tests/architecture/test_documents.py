"""What the pages, comments, docstrings and heads of SQL functions name exists: files, modules, commands, names of the database."""

import importlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands

from backoffice.integrity.checks import LEDGERS, checks_of
from kernel.events.registry import list_types
from tests.architecture import mention_rules
from tests.architecture.file_rules import ROOT, committed_files

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")] + sorted((ROOT / "docs").glob("*.md"))
TOP = "backoffice|benchmarks|billing|bin|config|credits|docs|kernel|metering|templates|tests"
# A path begins at the top of the checkout; what is made at run time (var/) and placeholders (<app>) are left out.
PATH = re.compile(rf"`((?:{TOP})/[\w./-]*)`")
COMMAND = re.compile(r"manage\.py (\w+)")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[\w-]+)?\)")
# A reader of these programs' own manuals finds them there.
FOREIGN_COMMANDS = {"procrastinate"}


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_file_that_a_page_names_exists(document):
    text = document.read_text()
    missing = sorted({path for path in PATH.findall(text) if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()})
    assert missing == []


def test_every_file_and_module_that_is_named_exists():
    written = mention_rules.written()
    names = mention_rules.dotted_words_of_code() | {each.name for each in list_types()}
    assert mention_rules.paths(written) + mention_rules.modules(written, names) == []


def test_every_name_of_the_database_that_is_named_exists():
    """A function, type, table, column, constraint or index; and after the word check a check, not a table of that name."""
    written = mention_rules.written()
    checks = {name for ledger in LEDGERS for name, _, _ in checks_of(ledger)}
    constraints = {constraint.name for model in apps.get_models() for constraint in model._meta.constraints}
    assert mention_rules.database_names(written, mention_rules.words_of_code()) + mention_rules.checks(written, checks | constraints) == []


def test_what_does_not_exist_is_found():
    files = "kernel.events.registry.matches, tests/kernel/test_patterns.py, streaming.py"
    written = [("here", f"{files}, billing_refuse(...) and the integrity check billing_wallet")]
    assert mention_rules.paths(written) == ["here: streaming.py", "here: tests/kernel/test_patterns.py"]
    assert mention_rules.modules(written, set()) == ["here: kernel.events.registry.matches"]
    assert mention_rules.database_names(written, {"billing_wallet"}) == ["here: billing_refuse"]
    assert mention_rules.checks(written, {"billing_wallet_floor_check"}) == ["here: billing_wallet"]


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_page_that_a_page_links_to_exists(document):
    assert sorted({link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()}) == []


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_command_that_a_page_names_exists(document):
    assert sorted({name for name in COMMAND.findall(document.read_text()) if name not in get_commands()} - FOREIGN_COMMANDS) == []


def test_every_limit_of_the_page_of_limits_has_its_value():
    rows = re.findall(r"^\| `([\w/]+)\.py` \| `(\w+)` \| ([\d_]+) ?(\w*)", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE)
    assert len(rows) > 25
    for path, name, number, unit in rows:
        value = getattr(settings if path == "config/settings" else importlib.import_module(path.replace("/", ".")), name)
        stated = int(number)
        assert value == (timedelta(**{unit: stated}) if isinstance(value, timedelta) else stated), f"{path}.py {name}"


def test_the_layout_in_the_readme_is_the_layout():
    """Each of the picture exists in each of the apps (a file that grew is a folder), and nothing of an app or at the top is left out."""
    [picture] = re.findall(r"## Where things are\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    named, drawn, parents = set(), set(), []
    for line in picture.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = [name.rstrip(",") for name in re.split(r" {2,}", line.strip())[0].split() if re.fullmatch(r"[\w./]+", name)]
        parents = parents[:depth] if depth else [names]
        tops = parents[0] if depth else [""]
        for name in names:
            for path in [ROOT / top / name for top in tops]:
                assert path.exists() or (path.suffix == ".py" and path.with_suffix("").is_dir()), path
                drawn.add(path.relative_to(ROOT).with_suffix(""))
        named.update(name.strip("/") for name in names if not depth)
    top_folders = {path.relative_to(ROOT).parts[0] for path in committed_files() if len(path.relative_to(ROOT).parts) > 1}
    assert {folder for folder in top_folders if not folder.startswith(".")} == named
    of_apps = {Path(*path.relative_to(ROOT).parts[:2]).with_suffix("") for path in committed_files()}
    left_out = {path for path in of_apps - drawn if path.parts[0] in ("kernel", *LEDGERS) and path.name not in ("__init__", "apps")}
    assert left_out == set()


def test_every_setting_has_one_row_in_the_table_of_settings():
    read = re.findall(r"\benv\.\w+\(\s*[\"'](\w+)", (ROOT / "config" / "settings.py").read_text())
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = [name for line in re.findall(r"^\| (`[A-Z0-9_]+`.*?) \|", page, re.MULTILINE) for name in re.findall(r"`([A-Z0-9_]+)`", line)]
    # The three that every Django project has stand in the row of ENVIRONMENT.
    assert sorted(set(read) - {"SECRET_KEY", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS"} - set(rows)) == []
    assert sorted(name for name in rows if rows.count(name) > 1 or name not in read) == []


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_prose_is_wrapped(document):
    """At 140 characters, so that a change shows what it changes. Rows of tables and code are as long as they are."""
    outside_code = "".join(document.read_text().split("```")[::2])
    prose = [line for line in outside_code.splitlines() if not line.lstrip().startswith(("|", "#", "<", "!["))]
    assert [line for line in prose if len(line) > 140] == []
