"""The versions of each app's database functions: which InstallFunctions operation is the newest, and whether it fits the current files."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from kernel.ledger.database_functions.migration_operations import InstallFunctions
from kernel.ledger.database_functions.sql_files import (
    TYPES,
    body_of,
    current_files,
    files_of_version,
    fingerprint,
    folder_of,
    frozen_folder,
)


class VersionError(Exception):
    """A version can't be written or frozen. The message says what to do instead."""


class Version(NamedTuple):
    """One InstallFunctions operation and the migration that holds it."""

    app_label: str
    migration: str
    number: int
    digest: str

    @property
    def is_released(self) -> bool:
        return frozen_folder(self.app_label, self.number).is_dir()


TEMPLATE = """from django.db import migrations

from kernel.ledger.database_functions.migration_operations import InstallFunctions


class Migration(migrations.Migration):
    dependencies = [{dependencies}]

    operations = [InstallFunctions("{app_label}", version={number}, digest="{digest}")]
"""


def apps_with_functions() -> list[str]:
    return sorted(config.label for config in apps.get_app_configs() if folder_of(config.label).is_dir())


def outdated_functions(cursor: Any) -> list[str]:
    """The functions whose body in the database isn't that of their current file; those that the database lacks aren't listed.

    Migrations install a version of the files once. A file that is edited before its version is released changes no database that has run
    the migration already.
    """
    expected = {file.name: body_of(file) for label in apps_with_functions() for file in current_files(label) if file.name != TYPES}
    cursor.execute(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (%s)", [list(expected)]
    )
    return sorted({name for name, body in cursor.fetchall() if body != expected[name]})


def problems(app_label: str) -> list[str]:
    """What is wrong with the versions of an app, each as a sentence that says what to do. Empty: migrations and files agree."""
    found = list(versions(app_label))
    if [version.number for version in found] != list(range(1, len(found) + 1)) or not found:
        numbers = ", ".join(str(version.number) for version in found) or "none"
        return [f"{app_label}: the versions of InstallFunctions are {numbers}; they must count 1, 2, 3."]
    wrong = [
        f"{app_label}: the frozen files of version {version.number} are not those of {version.migration}: restore them, they never change."
        for version in found
        if version.is_released and fingerprint(files_of_version(app_label, version.number)) != version.digest
    ]
    newest = found[-1]
    if fingerprint(current_files(app_label)) != newest.digest:
        in_place = "" if newest.is_released else " --in-place"
        wrong.append(
            f"{app_label}: the files in {app_label}/sql differ from version {newest.number}: run manage.py make_functions_migration"
            f" {app_label}{in_place}"
        )
    return wrong


def versions(app_label: str) -> Iterator[Version]:
    """Every InstallFunctions of an app in the order of its migrations. Needs no database."""
    migrations = sorted(MigrationLoader(None).disk_migrations.items())
    operations = [(name, operation) for (label, name), migration in migrations if label == app_label for operation in migration.operations]
    for name, operation in operations:
        if isinstance(operation, InstallFunctions):
            yield Version(app_label, name, operation.version, operation.digest)


def write_next(app_label: str) -> Path:
    """Writes the migration that installs the current files. Raises VersionError where the newest version isn't released yet."""
    newest = list(versions(app_label))[-1]
    if not newest.is_released:
        raise VersionError(f"Version {newest.number} of {app_label} isn't released: renew it with --in-place.")
    leaves = MigrationLoader(None).graph.leaf_nodes(app_label)
    dependencies = ", ".join(f'("{label}", "{name}")' for label, name in leaves)
    sequence = int(leaves[-1][1].split("_")[0]) + 1
    path = _migrations_folder(app_label) / f"{sequence:04}_functions_{newest.number + 1}.py"
    digest = fingerprint(current_files(app_label))
    path.write_text(TEMPLATE.format(dependencies=dependencies, app_label=app_label, number=newest.number + 1, digest=digest))
    return path


def renew_newest(app_label: str) -> Path:
    """Writes the digest of the current files into the newest version. Raises VersionError where that is released."""
    newest = list(versions(app_label))[-1]
    if newest.is_released:
        raise VersionError(f"Version {newest.number} of {app_label} is released. Leave out --in-place to write the next one.")
    path = _migrations_folder(app_label) / f"{newest.migration}.py"
    digest = fingerprint(current_files(app_label))
    path.write_text(re.sub(rf'digest="{newest.digest}"', f'digest="{digest}"', path.read_text()))
    return path


def freeze(app_label: str) -> Path | None:
    """Copies the current files to sql/frozen/vN for the newest version N; None where it is frozen already. Raises VersionError."""
    if wrong := problems(app_label):
        raise VersionError(wrong[0])
    newest = list(versions(app_label))[-1]
    if newest.is_released:
        return None
    target = frozen_folder(app_label, newest.number)
    target.mkdir(parents=True)
    for path in folder_of(app_label).glob("*.sql"):
        shutil.copy(path, target / path.name)
    return target


def _migrations_folder(app_label: str) -> Path:
    return Path(apps.get_app_config(app_label).path) / "migrations"
