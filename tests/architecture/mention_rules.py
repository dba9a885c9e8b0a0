"""The rules about what comments, docstrings, heads of SQL functions and pages name. Each takes texts and returns what doesn't exist."""

import io
import re
import tokenize
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from tests.architecture.file_rules import ROOT, committed_files
from tests.architecture.sql_rules import COMMENT

# Files that examples in the pages name.
EXAMPLES = {"mine.toml"}
TOP = "backoffice|benchmarks|billing|bin|config|credits|docs|kernel|metering|templates|tests"
SUFFIXES = "py|sql|md|toml|json|html|yaml|mjs|js"
# A path begins at the top of the checkout; what is made at run time (var/) and placeholders (<app>) are left out.
PATH = re.compile(rf"(?<![\w/.<>-])((?:{TOP})/[\w./-]*\w\.(?:{SUFFIXES}))\b")
FILE = re.compile(r"(?<![\w/.<>*-])(\w+\.(?:py|sql|toml))\b(?!\()")
DOTTED = re.compile(rf"(?<![\w/.])((?:{TOP})(?:\.[a-zA-Z_]\w*)+)\b(?!\()")
# What the database has is named after its app.
IN_DATABASE = re.compile(r"(?<![\w./<-])((?:billing|credits|metering|rules|paying|events|ledger)_[a-z0-9_]+)\b(?!\.\w|/|\*|-)")
CHECK = re.compile(r"\b(?:integrity check|check constraint|CHECK constraint)s? `?([a-z]+_[a-z0-9_]+)`?")


def paths(texts: Iterable[tuple[str, str]]) -> list[str]:
    """Paths and names of files."""
    known = {path.name for path in committed_files()}
    return sorted(
        f"{where}: {named}"
        for where, text in texts
        for named in {path for path in PATH.findall(text) if not (ROOT / path).exists()}
        | {name for name in FILE.findall(text) if name not in known | EXAMPLES}
    )


def modules(texts: Iterable[tuple[str, str]], known: set[str]) -> list[str]:
    """Modules, and what one has at its top, as kernel.events.registry.fits. `known`: other names with points, as types of events."""
    beginnings = {".".join(name.split(".")[:number]) for name in known for number in range(2, name.count(".") + 2)}
    return sorted(
        f"{where}: {named}"
        for where, text in texts
        for named in set(DOTTED.findall(text)) - beginnings
        if not named.endswith(".md") and not _is_in_module(named)
    )


def database_names(texts: Iterable[tuple[str, str]], known: set[str]) -> list[str]:
    """Functions, types, tables, columns, constraints and indexes."""
    return sorted(f"{where}: {named}" for where, text in texts for named in set(IN_DATABASE.findall(text)) - known)


def checks(texts: Iterable[tuple[str, str]], known: set[str]) -> list[str]:
    """Integrity checks and CHECK constraints."""
    return sorted(f"{where}: {named}" for where, text in texts for named in set(CHECK.findall(text)) - known)


class Source(NamedTuple):
    """The text of a file's comments and docstrings, and the rest of it."""

    name: str
    comments: str
    code: str


@cache
def sources() -> list[Source]:
    """The files of SQL and Python, without tests and migrations."""
    names = [(path, str(path.relative_to(ROOT))) for path in committed_files() if path.suffix in {".sql", ".py"}]
    return [
        Source(name, *(_split_sql if path.suffix == ".sql" else _split_python)(path.read_text()))
        for path, name in names
        if not name.startswith("tests/") and "/migrations/" not in name
    ]


def written() -> list[tuple[str, str]]:
    """Each page, and the comments of each source file, with its name."""
    pages = [(str(path.relative_to(ROOT)), path.read_text()) for path in committed_files() if path.suffix == ".md"]
    return [*pages, *((source.name, source.comments) for source in sources())]


def words_of_code() -> set[str]:
    return {word for source in sources() for word in re.findall(r"\w+", source.code)}


def dotted_words_of_code() -> set[str]:
    return {word for source in sources() for word in DOTTED.findall(source.code)}


def _split_sql(text: str) -> tuple[str, str]:
    return "\n".join(COMMENT.findall(text)), COMMENT.sub("", text)


def _split_python(text: str) -> tuple[str, str]:
    """A string at the beginning of a line of code is a docstring."""
    comments, code = [], []
    begins = True
    for kind, string, *_ in tokenize.generate_tokens(io.StringIO(text).readline):
        if kind == tokenize.COMMENT or (kind == tokenize.STRING and begins):
            comments.append(string)
        elif kind in {tokenize.NAME, tokenize.STRING} or string == ".":
            code.append(string)
        if kind not in {tokenize.COMMENT, tokenize.NL}:
            begins = kind in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    return "\n".join(comments), "\n".join(code)


@cache
def _is_in_module(dotted: str) -> bool:
    parts = dotted.split(".")
    for number in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:number])
        files = [file for file in (path.with_name(f"{path.name}.py"), path / "__init__.py") if file.exists()]
        if files or path.is_dir():
            rest = parts[number:]
            return not rest or any(re.search(rf"\b{rest[0]}\b", file.read_text()) for file in files)
    return False
