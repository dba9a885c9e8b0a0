"""Migration operations that Django lacks: tenant keys, composite foreign keys, append-only triggers, database functions.

Migrations of every age call these operations, so the SQL of one that has been released never changes. No session setting switches a
constraint or trigger off; only the owner of the table can, by altering it.
"""

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState

from kernel.ledger.database_functions.sql_files import files_of_version, names_created

# Citus plans statements with the values of their parameters: it refuses most generic plans ("could not create distributed plan"), and
# functions in SQL that return rows of a table distributed by tenant. There they become PL/pgSQL, which is slower elsewhere.
ADAPT_TO_CITUS = """
DO $$
DECLARE
    installed record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        RETURN;
    END IF;
    FOR installed IN
        SELECT oid::regprocedure AS name FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND 'plan_cache_mode=force_generic_plan' = ANY (proconfig)
    LOOP
        EXECUTE format('ALTER FUNCTION %s RESET plan_cache_mode', installed.name);
    END LOOP;
    FOR installed IN
        SELECT replace(pg_get_functiondef(routine.oid), 'LANGUAGE sql', 'LANGUAGE plpgsql') AS definition, routine.prosrc AS body
        FROM pg_proc routine JOIN pg_language lang ON lang.oid = routine.prolang
        WHERE routine.pronamespace = current_schema()::regnamespace AND lang.lanname = 'sql' AND routine.proretset
            AND routine.prosrc ~ 'tenant_id = tenant'
    LOOP
        EXECUTE replace(installed.definition, installed.body, format(
            E'\\n#variable_conflict use_column\\nBEGIN RETURN QUERY %s; END\\n', installed.body
        ));
    END LOOP;
END
$$
"""


class InstallFunctions(migrations.operations.base.Operation):
    """Installs all database functions and types of an app from `<app>/sql/` (sql_files.py), in place of those that it had.

    `version` counts the app's InstallFunctions operations: 1, 2, 3. `digest` is the fingerprint of the files that this version was
    written for; bin/lint compares the newest one with the current files, so a changed file without a newer operation is found before it
    is committed. Trigger functions are replaced in place, because triggers depend on them; every other function is dropped first, because
    PostgreSQL can't replace one whose result type changed. Migrating back installs the version before, or drops everything.
    """

    reversible = True

    def __init__(self, app_label: str, *, version: int, digest: str) -> None:
        self.app_label = app_label
        self.version = version
        self.digest = digest

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The models' state doesn't change."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._drop(schema_editor, self.version - 1)
        self._install(schema_editor, self.version)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        self._drop(schema_editor, self.version)
        if self.version > 1:
            self._install(schema_editor, self.version - 1)
        else:
            self._drop_trigger_functions(schema_editor)

    def _install(self, schema_editor: BaseDatabaseSchemaEditor, version: int) -> None:
        # Bodies are checked when they run: functions may name each other in any order, and tables and constraints of later migrations.
        schema_editor.execute("SET LOCAL check_function_bodies = off")
        for file in files_of_version(self.app_label, version):
            schema_editor.execute(file.text, params=None)
        schema_editor.execute(ADAPT_TO_CITUS, params=None)

    def _drop(self, schema_editor: BaseDatabaseSchemaEditor, version: int) -> None:
        """Drop what a version installed, except trigger functions."""
        if version < 1:
            return
        files = files_of_version(self.app_label, version)
        for name in (name for file in files for name in names_created(file, "FUNCTION")):
            schema_editor.execute(DROP_FUNCTIONS.format(name=name, only="prorettype <> 'trigger'::regtype"), params=None)
        for name in reversed([name for file in files for name in names_created(file, "TYPE")]):
            schema_editor.execute(f"DROP TYPE IF EXISTS {name}", params=None)

    def _drop_trigger_functions(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        for file in files_of_version(self.app_label, self.version):
            for name in names_created(file, "FUNCTION"):
                schema_editor.execute(DROP_FUNCTIONS.format(name=name, only="true"), params=None)

    def describe(self) -> str:
        return f"Install the database functions of {self.app_label}, version {self.version}"


# Every function of that name in the current schema, whatever it takes.
DROP_FUNCTIONS = """
DO $$
DECLARE
    overload regprocedure;
BEGIN
    FOR overload IN
        SELECT oid::regprocedure FROM pg_proc WHERE proname = '{name}' AND pronamespace = current_schema()::regnamespace AND {only}
    LOOP
        EXECUTE format('DROP FUNCTION %s', overload);
    END LOOP;
END
$$
"""


class _TableOperation(migrations.operations.base.Operation):
    reversible = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """The model's state doesn't change: Django sees a plain table."""

    def references_model(self, name: str, app_label: str) -> bool:
        return name.lower() == self.model_name.lower()

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for statement in self.forwards(to_state.apps.get_model(app_label, self.model_name), to_state):
            schema_editor.execute(statement)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        for statement in self.backwards(from_state.apps.get_model(app_label, self.model_name), from_state):
            schema_editor.execute(statement)

    def forwards(self, model: Any, state: ProjectState) -> list[str]:
        raise NotImplementedError

    def backwards(self, model: Any, state: ProjectState) -> list[str]:
        raise NotImplementedError


class TenantKey(_TableOperation):
    """Makes (tenant_id, id) the table's primary key, and indexes `id` for reads without a tenant (the admin).

    `row_first=True` makes it (id, tenant_id) instead, and needs no second index: for tables that take a row with each posting, where an
    index of its own for `id` would slow every posting down.
    """

    def __init__(self, model_name: str, *, row_first: bool = False) -> None:
        super().__init__(model_name)
        self.row_first = row_first

    def forwards(self, model: Any, state: ProjectState) -> list[str]:
        table = model._meta.db_table
        columns = "id, tenant_id" if self.row_first else "tenant_id, id"
        statements = [
            f'ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey"',
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_pkey" PRIMARY KEY ({columns})',
        ]
        return statements if self.row_first else [*statements, f'CREATE INDEX "{table}_id_index" ON "{table}" (id)']

    def backwards(self, model: Any, state: ProjectState) -> list[str]:
        table = model._meta.db_table
        return [
            f'DROP INDEX IF EXISTS "{table}_id_index"',
            f'ALTER TABLE "{table}" DROP CONSTRAINT "{table}_pkey"',
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_pkey" PRIMARY KEY (id)',
        ]

    def describe(self) -> str:
        return f"Key {self.model_name} by tenant"


# PostgreSQL 18 and newer take statistics; an older one gets them with its first ANALYZE. The statistics of an ANALYZE are not replaced.
FIRST_STATISTICS = """
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 180000 AND NOT EXISTS (
        SELECT FROM pg_stats WHERE schemaname = current_schema() AND tablename = '{table}' AND attname = 'tenant_id'
    ) THEN
        PERFORM pg_restore_attribute_stats(
            'schemaname', current_schema()::text, 'relname', '{table}',
            'attname', 'tenant_id', 'inherited', false, 'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 1::real
        );
    END IF;
END
$$
"""


class FirstStatistics(_TableOperation):
    """Gives the planner statistics for a table that was never analysed, and a fixed one for later: all its rows may be one tenant's.

    Without them the planner takes a condition on the tenant for a selective one, and each index of an empty table for as good as any
    other. The same happens later where ANALYZE finds many tenants with a row or two each, and then one of them grows. A plan that a
    connection keeps from that time reads all of a tenant's rows where it needs one.
    """

    def forwards(self, model: Any, state: ProjectState) -> list[str]:
        table = model._meta.db_table
        return [
            FIRST_STATISTICS.format(table=table),
            # Each ANALYZE then stores this instead of the number of tenants that it counts.
            f'ALTER TABLE "{table}" ALTER COLUMN tenant_id SET (n_distinct = 1)',
        ]

    def backwards(self, model: Any, state: ProjectState) -> list[str]:
        return [f'ALTER TABLE "{model._meta.db_table}" ALTER COLUMN tenant_id RESET (n_distinct)']

    def describe(self) -> str:
        return f"First statistics of {self.model_name}"


class TenantForeignKey(_TableOperation):
    """Adds FOREIGN KEY (tenant_id, field_id), which refuses a row that refers to another tenant's.

    `index=True` also creates an index on (tenant_id, field_id), for reads by that field.
    """

    def __init__(self, model_name: str, field: str, *, index: bool = False) -> None:
        super().__init__(model_name)
        self.field = field
        self.index = index

    def forwards(self, model: Any, state: ProjectState) -> list[str]:
        table, field = model._meta.db_table, model._meta.get_field(self.field)
        target = field.related_model._meta.db_table
        statements = [
            f'ALTER TABLE "{table}" ADD CONSTRAINT "{self._name(table)}" FOREIGN KEY (tenant_id, "{field.column}") '
            f'REFERENCES "{target}" (tenant_id, id) DEFERRABLE INITIALLY IMMEDIATE'
        ]
        if self.index:
            statements.append(f'CREATE INDEX "{table}_{self.field}_index" ON "{table}" (tenant_id, "{field.column}")')
        return statements

    def backwards(self, model: Any, state: ProjectState) -> list[str]:
        table = model._meta.db_table
        statements = [f'ALTER TABLE "{table}" DROP CONSTRAINT "{self._name(table)}"']
        if self.index:
            statements.append(f'DROP INDEX "{table}_{self.field}_index"')
        return statements

    def _name(self, table: str) -> str:
        return f"{table}_{self.field}_fkey"

    def describe(self) -> str:
        return f"Add the foreign key of {self.model_name}.{self.field} with its tenant"


class AppendOnly(_TableOperation):
    """Refuses DELETE, TRUNCATE and every UPDATE that names a column outside `may_change`.

    The trigger watches columns by name, so a permitted update costs nothing. A column added by a later migration is unwatched until that
    migration repeats AppendOnly; a rule in tests/architecture finds one that was forgotten.
    """

    def __init__(self, model_name: str, *, may_change: tuple[str, ...] = ()) -> None:
        super().__init__(model_name)
        self.may_change = may_change

    def forwards(self, model: Any, state: ProjectState) -> list[str]:
        table = model._meta.db_table
        unknown = set(self.may_change) - {field.column for field in model._meta.local_fields}
        if unknown:
            raise ValueError(f"AppendOnly({self.model_name!r}): no such columns: {sorted(unknown)}")
        watched = ", ".join(f'"{field.column}"' for field in model._meta.local_fields if field.column not in self.may_change)
        return [
            *self.backwards(model, state),
            f'CREATE TRIGGER append_only_update BEFORE UPDATE OF {watched} ON "{table}" FOR EACH ROW EXECUTE FUNCTION ledger_append_only()',
            f'CREATE TRIGGER append_only_delete BEFORE DELETE ON "{table}" FOR EACH ROW EXECUTE FUNCTION ledger_append_only()',
            f'CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON "{table}" FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()',
        ]

    def backwards(self, model: Any, state: ProjectState) -> list[str]:
        return [f'DROP TRIGGER IF EXISTS append_only_{event} ON "{model._meta.db_table}"' for event in ("update", "delete", "truncate")]

    def describe(self) -> str:
        return f"Make {self.model_name} append-only"
