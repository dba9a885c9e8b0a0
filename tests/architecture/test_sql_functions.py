"""Every database function stands once, in the sql folder of its app, and the database has it as it stands there."""

import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.checks import check_functions
from kernel.ledger.database_functions import function_versions, sql_files
from kernel.ledger.database_functions.function_versions import apps_with_functions
from kernel.ledger.database_functions.sql_files import current_files
from tests.database_clock import restore_clock

pytestmark = pytest.mark.django_db

# Our own functions of a schema: not an extension's, and not those of the job queue, which brings migrations of its own.
FUNCTIONS = """
SELECT proname || '(' || pg_get_function_identity_arguments(oid) || ')', pg_get_functiondef(oid)
FROM pg_proc
WHERE pronamespace = %s::regnamespace AND prokind IN ('f', 'p') AND proname NOT LIKE 'procrastinate%%'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
TYPES = """
SELECT typname, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
FROM pg_type JOIN pg_class ON pg_class.oid = typrelid JOIN pg_attribute ON attrelid = pg_class.oid
WHERE typnamespace = %s::regnamespace AND relkind = 'c' AND typname NOT LIKE 'procrastinate%%'
GROUP BY typname
"""


def definitions(query, schema):
    with connection.cursor() as cursor:
        cursor.execute(query, [schema])
        rows = cursor.fetchall()
    # Names are qualified where the search path hides them; the current files qualify none.
    return {plain(name, schema): plain(text, schema) for name, text in rows}


def plain(text, schema):
    for qualified in (f"{schema}.", "public."):
        text = text.replace(qualified, "")
    # Of the search path, which is the migration's own, only that it is fixed.
    return re.sub(r"SET search_path TO .*", "SET search_path FROM CURRENT", text)


def living_definitions():
    """What the files create, in a schema of its own."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA living; SET LOCAL check_function_bodies = off; SET LOCAL search_path = living, public")
        for app_label in apps_with_functions():
            for file in current_files(app_label):
                cursor.execute(file.text)
    return definitions(FUNCTIONS, "living"), definitions(TYPES, "living")


def test_the_database_has_every_function_as_its_file_and_no_other():
    restore_clock()
    expected_functions, expected_types = living_definitions()
    functions, types = definitions(FUNCTIONS, "public"), definitions(TYPES, "public")
    assert sorted(functions) == sorted(expected_functions)
    assert {name: text for name, text in functions.items() if text != expected_functions[name]} == {}
    assert types == expected_types


def test_a_function_that_was_edited_after_the_migration_ran_is_reported_by_a_system_check():
    restore_clock()
    assert check_functions(None, databases=["default"]) == []
    with connection.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE FUNCTION billing_hour(moment timestamptz) RETURNS bigint LANGUAGE sql AS 'SELECT 1'")
    [message] = check_functions(None, databases=["default"])
    assert "billing_hour" in message.msg
    assert message.id == "countinghouse.W003"


@pytest.mark.parametrize(
    "change",
    [
        "CREATE FUNCTION without_a_file() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION billing_hour(moment timestamptz) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
        "ALTER TYPE billing_posting ADD ATTRIBUTE added text",
    ],
)
def test_a_difference_between_database_and_files_is_found(change):
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL search_path = public; {change}")
    with pytest.raises(AssertionError):
        test_the_database_has_every_function_as_its_file_and_no_other()


@pytest.mark.parametrize("app_label", apps_with_functions())
def test_the_newest_version_is_that_of_the_current_files(app_label):
    assert function_versions.problems(app_label) == []


@pytest.fixture
def app(tmp_path, monkeypatch):
    """Billing with a folder of its own for its files and migrations, in which version 1 is the newest."""
    sql, migrations = tmp_path / "sql", tmp_path / "migrations"
    sql.mkdir()
    migrations.mkdir()
    (sql / "billing_hour.sql").write_text("CREATE OR REPLACE FUNCTION billing_hour() ...")
    monkeypatch.setattr(sql_files, "folder_of", lambda app_label: sql)
    monkeypatch.setattr(function_versions, "folder_of", lambda app_label: sql)
    monkeypatch.setattr(function_versions, "_migrations_folder", lambda app_label: migrations)
    monkeypatch.setattr(function_versions, "apps_with_functions", lambda: ["billing"])
    digest = sql_files.fingerprint(current_files("billing"))
    newest = function_versions.Version("billing", "0002_functions_and_constraints", 1, digest)
    monkeypatch.setattr(function_versions, "versions", lambda app_label: iter([newest]))
    (migrations / "0002_functions_and_constraints.py").write_text(
        f'operations = [InstallFunctions("billing", version=1, digest="{digest}")]'
    )
    return tmp_path


def test_a_changed_file_without_a_newer_version_is_found(app):
    call_command("make_functions_migration", "billing", "--check")
    (app / "sql" / "billing_hour.sql").write_text("CREATE OR REPLACE FUNCTION billing_hour() changed")
    with pytest.raises(
        CommandError, match=r"billing/sql differ from version 1: run manage\.py make_functions_migration billing --in-place"
    ):
        call_command("make_functions_migration", "billing", "--check")


def test_before_a_release_the_newest_version_is_renewed_in_place(app):
    (app / "sql" / "billing_hour.sql").write_text("CREATE OR REPLACE FUNCTION billing_hour() changed")
    with pytest.raises(CommandError, match="isn't released: renew it with --in-place"):
        call_command("make_functions_migration", "billing")
    call_command("make_functions_migration", "billing", "--in-place")
    digest = sql_files.fingerprint(current_files("billing"))
    assert f'digest="{digest}"' in (app / "migrations" / "0002_functions_and_constraints.py").read_text()


def test_after_a_release_the_next_version_is_written_and_the_frozen_one_stays(app):
    released = current_files("billing")
    call_command("freeze_functions")
    (app / "sql" / "billing_hour.sql").write_text("CREATE OR REPLACE FUNCTION billing_hour() changed")
    assert sql_files.files_of_version("billing", 1) == released
    assert sql_files.files_of_version("billing", 2) == current_files("billing")
    with pytest.raises(CommandError, match=r"is released\. Leave out"):
        call_command("make_functions_migration", "billing", "--in-place")
    call_command("make_functions_migration", "billing")
    [written] = (app / "migrations").glob("*_functions_2.py")
    text = written.read_text()
    assert f'InstallFunctions("billing", version=2, digest="{sql_files.fingerprint(current_files("billing"))}")' in text
    assert '("billing", "0002_functions_and_constraints")' in text
    compile(text, str(written), "exec")


def test_a_frozen_file_that_was_changed_is_found(app):
    call_command("freeze_functions")
    (app / "sql" / "frozen" / "v1" / "billing_hour.sql").write_text("changed")
    with pytest.raises(CommandError, match="the frozen files of version 1 are not those of 0002_functions_and_constraints"):
        call_command("make_functions_migration", "billing", "--check")


def test_an_app_without_a_sql_folder_is_named():
    with pytest.raises(CommandError, match="No app with a sql folder: tenants"):
        call_command("make_functions_migration", "tenants", "--check")
