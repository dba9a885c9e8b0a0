"""The database functions of the apps: the files in `<app>/sql/`.

Each function has one file, `<app>/sql/<function>.sql`, which holds its whole definition (CREATE OR REPLACE FUNCTION) and nothing else.
Types that functions take or return stand in `<app>/sql/types.sql`. A migration installs them all with one operation, InstallFunctions
(migration_operations.py). At a release `manage.py freeze_functions` copies the files to `<app>/sql/frozen/v<N>/`, where the migration of
version N reads them from then on; until then it reads the current files.
"""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from django.apps import apps

TYPES = "types"
# At the beginning of a line: a function's body is indented.
CREATED = re.compile(r"^CREATE (?:OR REPLACE )?(FUNCTION|TYPE) (\w+)", re.MULTILINE)
BODY = re.compile(r"\$\$(.*)\$\$", re.DOTALL)


class SqlFile(NamedTuple):
    """`name` is the function's name, or `types`."""

    name: str
    text: str


def folder_of(app_label: str) -> Path:
    return Path(apps.get_app_config(app_label).path) / "sql"


def frozen_folder(app_label: str, version: int) -> Path:
    """Where the files of a released version are; it doesn't exist before the release."""
    return folder_of(app_label) / "frozen" / f"v{version}"


def current_files(app_label: str) -> list[SqlFile]:
    """The files that are edited: types first, then functions by name."""
    return _files(folder_of(app_label))


def files_of_version(app_label: str, version: int) -> list[SqlFile]:
    """The frozen files of a released version; the current ones of a version that isn't released yet."""
    frozen = frozen_folder(app_label, version)
    return _files(frozen) if frozen.is_dir() else current_files(app_label)


def _files(folder: Path) -> list[SqlFile]:
    found = [SqlFile(path.stem, path.read_text()) for path in folder.glob("*.sql")]
    return sorted(found, key=lambda file: (file.name != TYPES, file.name))


def names_created(file: SqlFile, kind: str) -> list[str]:
    """The functions (kind "FUNCTION") or types (kind "TYPE") that a file creates."""
    return [name for found, name in CREATED.findall(file.text) if found == kind]


def fingerprint(files: list[SqlFile]) -> str:
    """A short hash of the files' contents; comments and layout count, so that the database's copy equals the file byte for byte."""
    content = "".join(f"{file.name}\n{file.text}\n" for file in files)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def body_of(file: SqlFile) -> str:
    """The body of the function that a file creates, as pg_proc.prosrc has it."""
    return BODY.findall(file.text)[0]
