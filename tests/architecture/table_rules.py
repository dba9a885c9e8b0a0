"""The rules that can be read off the database's own catalogue. Each takes a table and returns what is wrong, with what to do instead."""

from collections.abc import Iterable

from django.db import connection, models
from django.db.migrations.loader import MigrationLoader

from kernel.ledger.database_functions.migration_operations import AppendOnly


def rows(query: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def columns_of(table: str) -> set[str]:
    return {
        name
        for (name,) in rows("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped", table)
    }


def primary_key(table: str) -> list[str]:
    found = rows(
        "SELECT array_agg(a.attname ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(number, place), pg_attribute a "
        "WHERE i.indrelid = %s::regclass AND i.indisprimary AND a.attrelid = i.indrelid AND a.attnum = k.number",
        table,
    )
    names = [str(name) for name in found[0][0] or []]
    if sorted(names) == ["id", "tenant_id"]:
        return []
    return [f"{table}: its primary key is {names}, not (tenant_id, id): add TenantKey for the model to its migration."]


def unique_begins_with_tenant(table: str) -> list[str]:
    """But for a primary key that RowKey turned around: it holds the tenant in the other place."""
    found = rows(
        "SELECT i.indexrelid::regclass::text, (SELECT attname FROM pg_attribute WHERE attrelid = i.indrelid AND attnum = i.indkey[0]) "
        "FROM pg_index i WHERE i.indrelid = %s::regclass AND i.indisunique "
        "AND NOT (i.indisprimary AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = i.indrelid AND attname = 'tenant_id' "
        "AND attnum = ANY(i.indkey)))",
        table,
    )
    return [
        f"{table}: the unique {name} begins with {first}: begin it with tenant_id, or one tenant's rows can stand in another's way."
        for name, first in found
        if first != "tenant_id"
    ]


def planner_knows_first(table: str) -> list[str]:
    """The planner knows that all rows may be one tenant's: after every ANALYZE, and on PostgreSQL 18 also before the first."""
    found = rows(
        "SELECT CASE WHEN current_setting('server_version_num')::int < 180000 THEN 1 ELSE s.n_distinct END, "
        "coalesce('n_distinct=1' = ANY (a.attoptions), false) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' LEFT JOIN pg_stats s "
        "ON s.schemaname = c.relnamespace::regnamespace::text AND s.tablename = c.relname AND s.attname = 'tenant_id' "
        "WHERE c.oid = %s::regclass",
        table,
    )
    return [
        f"{table}: plans made while it is small read all of a tenant's rows: add FirstStatistics for the model to a migration."
        for distinct, is_fixed in found
        if distinct is None or not is_fixed
    ]


def references_stay_in_tenant(table: str, tenant_tables: set[str], expected: Iterable[str] = ()) -> list[str]:
    """Every reference to a tenant-owned table is a key that begins with the tenant, and every column in `expected` has one."""
    found = rows(
        "SELECT c.conname, c.confrelid::regclass::text, c.confdeltype, "
        "ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY k(number, place) "
        "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place)::text[] "
        "FROM pg_constraint c WHERE c.conrelid = %s::regclass AND c.contype = 'f'",
        table,
    )
    wrong = []
    tied = set()
    for name, target, on_delete, names in found:
        if on_delete not in {"a", "r"}:
            wrong.append(f"{table}: {name} deletes or changes rows along with others: a ledger's references only ever protect.")
        if target.strip('"') in tenant_tables and (len(names) < 2 or names[0] != "tenant_id"):
            wrong.append(
                f"{table}: {name} refers to {target} by {names}: use tenant_foreign_key in the model and TenantForeignKey in its migration."
            )
        tied.update(names)
    wrong += [
        f"{table}: {column} has no foreign key in the database: add TenantForeignKey for it to a migration."
        for column in expected
        if column not in tied
    ]
    return wrong


def changeable_columns() -> dict[tuple[str, str], set[str]]:
    """What the newest AppendOnly operation of each model names as changeable, by (app label, model name)."""
    loader = MigrationLoader(connection)
    named: dict[tuple[str, str], set[str]] = {}
    for key in loader.graph._generate_plan(loader.graph.leaf_nodes(), at_end=True):
        for operation in loader.get_migration(*key).operations:
            if isinstance(operation, AppendOnly):
                named[key[0], operation.model_name.lower()] = set(operation.may_change)
    return named


def append_only(table: str, may_change: set[str] | None) -> list[str]:
    """UPDATE of every column but the changeable, DELETE and TRUNCATE are refused by triggers that are switched on."""
    if may_change is None:
        return [f"{table}: its rows are facts but nothing holds them: add AppendOnly for the model to its migration."]
    found = rows(
        "SELECT t.tgtype, ARRAY(SELECT a.attname FROM unnest(t.tgattr::int2[]) number JOIN pg_attribute a ON a.attrelid = t.tgrelid "
        "AND a.attnum = number)::text[] FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
        "WHERE t.tgrelid = %s::regclass AND p.proname = 'ledger_append_only' AND t.tgenabled IN ('O', 'A') AND t.tgtype & 2 = 2",
        table,
    )
    # The bits of tgtype: 8 delete, 16 update, 32 truncate.
    wrong = [
        f"{table}: nothing refuses {event}: add AppendOnly for the model to a migration."
        for event, bit in (("DELETE", 8), ("UPDATE", 16), ("TRUNCATE", 32))
        if not any(kind & bit for kind, _ in found)
    ]
    watched = {name for kind, names in found if kind & 16 for name in (names or columns_of(table))}
    forgotten = sorted(columns_of(table) - watched - may_change)
    if forgotten and not wrong:
        wrong.append(
            f"{table}: {forgotten} can be changed: say AppendOnly again in the migration that adds them, or name them in may_change."
        )
    return wrong


def constraints_of_table(table: str) -> list[str]:
    """The unique keys, checks, exclusions and composite foreign keys of a table: what a caller could run into."""
    found = rows(
        "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass "
        "AND (contype IN ('u', 'c', 'x') OR contype = 'f' AND cardinality(conkey) > 1) "
        "UNION SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND NOT indisprimary",
        table,
        table,
    )
    return sorted(name.strip('"') for (name,) in found)


def constraints_have_errors(table: str, known: set[str]) -> list[str]:
    """Every constraint that a caller could run into has an error of ours."""
    return [
        f"{table}: {name} has no error: register it with register_error(), or list it in INTERNAL_CONSTRAINTS if no caller can break it."
        for name in constraints_of_table(table)
        if name not in known
    ]


def constraints_of_model(model: type[models.Model]) -> list[str]:
    """Every constraint and unique field of a model is in the database: valid, of the same kind, on the same columns."""
    table = model._meta.db_table
    checks = {
        name
        for (name,) in rows("SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c' AND convalidated", table)
    }
    uniques = dict(
        rows(
            "SELECT i.indexrelid::regclass::text, ARRAY(SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(number, place) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place)::text[] "
            "FROM pg_index i WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indisvalid",
            table,
        )
    )
    wrong = []
    for constraint in model._meta.constraints:
        name = constraint.name
        if isinstance(constraint, models.CheckConstraint) and name not in checks:
            wrong.append(f"{table}: the database doesn't check {name}, which the model has: a migration dropped it or forgot it.")
        if isinstance(constraint, models.UniqueConstraint):
            columns = [model._meta.get_field(field).column for field in constraint.fields]
            if name not in uniques or uniques[name][: len(columns)] != columns:
                wrong.append(f"{table}: the database has no unique {name} on {columns}, which the model has.")
    wrong += [
        f"{table}: the database doesn't hold {field.column} unique, as the model does."
        for field in model._meta.local_fields
        if field.unique and not field.primary_key and [field.column] not in uniques.values()
    ]
    return wrong
