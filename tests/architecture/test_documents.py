"""What the pages name exists: files, commands, settings and test folders."""

import re

import pytest
from django.core.management import get_commands

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


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_page_that_a_page_links_to_exists(document):
    assert sorted({link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()}) == []


@pytest.mark.parametrize("document", PAGES, ids=lambda document: document.name)
def test_every_command_that_a_page_names_exists(document):
    assert sorted({name for name in COMMAND.findall(document.read_text()) if name not in get_commands()} - FOREIGN_COMMANDS) == []


def test_the_layout_in_the_readme_is_the_layout():
    """Each folder and file of the picture exists, and no folder at the top is left out."""
    [picture] = re.findall(r"## Where things are\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    named, parents = set(), []
    for line in picture.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = [name.rstrip(",") for name in re.split(r" {2,}", line.strip())[0].split() if re.fullmatch(r"[\w./]+", name)]
        parents = parents[:depth] if depth else [names]
        tops = parents[0] if depth else [""]
        for name in names:
            # Not every app has jobs of its own.
            assert any((ROOT / top / name).exists() for top in tops), name
        named.update(name.strip("/") for name in names if not depth)
    top_folders = {path.relative_to(ROOT).parts[0] for path in committed_files() if len(path.relative_to(ROOT).parts) > 1}
    assert {folder for folder in top_folders if not folder.startswith(".")} == named
