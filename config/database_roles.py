"""What the role that serves requests may do with each table, derived from the models and from the append-only triggers.

Two roles use the database. The owner runs `migrate` and owns every table. The service's role serves requests and runs jobs; it can't remove
a trigger, and `manage.py grant_roles` gives it these rights and no others:

* every table: SELECT and INSERT; of django_migrations SELECT alone.
* a table with the append-only triggers: UPDATE of the columns that its triggers let change. No DELETE.
* any other table of a tenant, and the tenants and API keys themselves: UPDATE of the columns that don't identify a row. No DELETE, unless
  its rows are sums of other rows that are dropped when nobody needs them (the model's `is_derived`).
* the tables of Django, procrastinate and the back office: UPDATE and DELETE.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from django.apps import apps
from django.db import models
from psycopg import sql

from kernel.ledger.base_models import TenantOwned
from kernel.tenants.models import ApiKey, Tenant

# Rows of these models are never deleted: entries refer to them.
UNDELETABLE_MODELS = (TenantOwned, Tenant, ApiKey)
MIGRATIONS_TABLE = "django_migrations"
# The columns that each table's append-only triggers refuse to change.
WATCHED_COLUMNS = """
SELECT t.tgrelid::regclass::text, array_agg(DISTINCT a.attname::text)
FROM pg_trigger t
JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'ledger_append_only'
JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr::int2[])
GROUP BY t.tgrelid
"""
# A table that doesn't exist has no privileges: after `migrate` it is a missing migration, which the readiness probe reports by itself.
MISSING_PRIVILEGES = """
SELECT DISTINCT wanted.verb || ' on ' || wanted.name
FROM unnest(%s::text[], %s::text[], %s::text[]) AS wanted (name, verb, field)
WHERE to_regclass(wanted.name) IS NOT NULL
    AND NOT CASE WHEN wanted.field = '' THEN has_table_privilege(wanted.name, wanted.verb)
        ELSE has_column_privilege(wanted.name, wanted.field, wanted.verb) END
ORDER BY 1
"""
# What grant_roles gives for all functions and sequences at once. Those of an extension are no concern of the service: some can't be
# executed by everybody.
MISSING_EXECUTE_AND_USAGE = """
WITH migrations AS (
    SELECT relowner AS owner, relnamespace AS schema FROM pg_class WHERE oid = to_regclass('django_migrations')
), missing AS (
    SELECT 'pg_proc'::regclass AS catalog, routine.oid, 'EXECUTE on ' || routine.proname AS privilege
    FROM pg_proc routine JOIN migrations ON routine.proowner = migrations.owner AND routine.pronamespace = migrations.schema
    WHERE NOT has_function_privilege(routine.oid, 'EXECUTE')
    UNION ALL
    SELECT 'pg_class'::regclass, sequence.oid, 'USAGE on ' || sequence.relname
    FROM pg_class sequence JOIN migrations ON sequence.relowner = migrations.owner AND sequence.relnamespace = migrations.schema
    -- CASE, because AND may ask about a table first, which is an error.
    WHERE CASE sequence.relkind WHEN 'S' THEN NOT has_sequence_privilege(sequence.oid, 'USAGE') END
)
SELECT DISTINCT privilege FROM missing
WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = missing.catalog AND objid = missing.oid AND deptype = 'e')
ORDER BY 1
"""


class Cursor(Protocol):
    """Django's cursor, or psycopg's own."""

    def execute(self, query: Any, parameters: Any = None, /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Privileges(NamedTuple):
    """The rights on one table. `update` names columns; an empty one means every column where `delete` is set, and none where it isn't."""

    table: str
    verbs: tuple[str, ...]
    update: tuple[str, ...] = ()


def service_privileges(cursor: Cursor) -> list[Privileges]:
    """The rights of the service's role on every table of the installed apps, in the order of their names."""
    cursor.execute(WATCHED_COLUMNS)
    watched = {table.strip('"'): set(columns) for table, columns in cursor.fetchall()}
    tables = {model._meta.db_table: _privileges(model, watched) for model in apps.get_models(include_auto_created=True)}
    tables[MIGRATIONS_TABLE] = Privileges(MIGRATIONS_TABLE, ("SELECT",))
    return [tables[name] for name in sorted(tables)]


def missing_privileges(cursor: Cursor) -> list[str]:
    """The rights that the connection's own role lacks, such as 'INSERT on billing_transaction'."""
    wanted = [
        (table, verb, column)
        for table, verbs, update in service_privileges(cursor)
        for verb, columns in [*((verb, ("",)) for verb in verbs), ("UPDATE", update)]
        for column in columns
    ]
    cursor.execute(MISSING_PRIVILEGES, [list(column) for column in zip(*wanted, strict=True)])
    on_tables = [text for (text,) in cursor.fetchall()]
    cursor.execute(MISSING_EXECUTE_AND_USAGE)
    return [*on_tables, *(text for (text,) in cursor.fetchall())]


def grant_statements(
    *, owner: str, service: str, database: str, tables: Iterable[Privileges], settings: dict[str, str]
) -> Iterator[sql.Composable]:
    """The statements that give `service` its rights and take every other one away; running them again changes nothing.

    `settings` are set in the database for every new session, because a pooling proxy forwards none that a client asks for at its start.
    Later tables that `owner` creates get SELECT, INSERT and UPDATE, so that the next release works until grant_roles runs again.
    """
    names = {"owner": sql.Identifier(owner), "service": sql.Identifier(service), "database": sql.Identifier(database)}
    defaults = "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public "
    templates = [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {service}",
        "GRANT USAGE ON SCHEMA public TO {service}",
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {service}",
        "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {service}",
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {service}",
        f"{defaults}GRANT SELECT, INSERT, UPDATE ON TABLES TO {{service}}",
        f"{defaults}GRANT USAGE ON SEQUENCES TO {{service}}",
        f"{defaults}GRANT EXECUTE ON FUNCTIONS TO {{service}}",
    ]
    yield from (sql.SQL(template).format(**names) for template in templates)
    for table, verbs, update in tables:
        granted: list[sql.Composable] = [sql.SQL(verb) for verb in verbs]
        if update:
            granted.append(sql.SQL("UPDATE ({})").format(sql.SQL(", ").join(map(sql.Identifier, update))))
        yield sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(", ").join(granted), sql.Identifier(table), names["service"])
    for name, value in settings.items():
        yield sql.SQL("ALTER DATABASE {} SET {} = {}").format(names["database"], sql.Identifier(name), sql.Literal(value))


def _privileges(model: type[models.Model], watched: dict[str, set[str]]) -> Privileges:
    table = model._meta.db_table
    columns = [str(field.column) for field in model._meta.local_concrete_fields]
    if table in watched:
        return Privileges(table, ("SELECT", "INSERT"), tuple(column for column in columns if column not in watched[table]))
    if issubclass(model, UNDELETABLE_MODELS):
        identity = _identity(model)
        verbs = ("SELECT", "INSERT", "DELETE") if getattr(model, "is_derived", False) else ("SELECT", "INSERT")
        return Privileges(table, verbs, tuple(column for column in columns if column not in identity))
    return Privileges(table, ("SELECT", "INSERT", "UPDATE", "DELETE"))


def _identity(model: type[models.Model]) -> set[str]:
    """The columns that say which row it is: its primary key, its tenant, and those of its unique constraints."""
    options: Any = model._meta
    unique = [name for constraint in options.total_unique_constraints for name in constraint.fields]
    names = {options.pk.name, *unique, *(field.name for field in options.local_fields if field.name == "tenant")}
    return {options.get_field(name).column for name in names}
