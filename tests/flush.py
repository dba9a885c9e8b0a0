"""Emptying the tables after a test that committed. Ledger tables refuse it; only their owner, by altering them, can."""

from typing import Any

# The state of the schema itself, not of any test.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
SEED_SCHEMA = "test_seed"


class Flush:
    """Knows, from just after the migrations, the tables, who refers to whom, and the rows that migrations laid."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.tables = (
            self._column(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
            )
            - KEPT
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
            self.references = [(child.strip('"'), parent.strip('"')) for child, parent in cursor.fetchall()]
        self.seeded = self.filled()
        self._keep_seeds()

    def __call__(self) -> None:
        """One transaction: triggers off, empty what was filled and all that refers to it, lay the seeds again, triggers on."""
        touched = sorted(self._with_referrers(self.filled()))
        if not touched:
            return
        quoted = {table: self.connection.ops.quote_name(table) for table in touched}
        statements = [f"ALTER TABLE {quoted[table]} DISABLE TRIGGER USER" for table in touched]
        statements += [f"TRUNCATE {', '.join(quoted.values())} RESTART IDENTITY", "SET CONSTRAINTS ALL DEFERRED"]
        statements += [
            f"INSERT INTO {quoted[table]} OVERRIDING SYSTEM VALUE SELECT * FROM {SEED_SCHEMA}.{quoted[table]}"
            for table in touched
            if table in self.seeded
        ]
        # A table with pending checks can't be altered.
        statements += ["SET CONSTRAINTS ALL IMMEDIATE", *(f"ALTER TABLE {quoted[table]} ENABLE TRIGGER USER" for table in touched)]
        self._execute(statements)

    def filled(self) -> set[str]:
        """The tables that hold a row."""
        tables = sorted(self.tables)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f"EXISTS (SELECT FROM {self.connection.ops.quote_name(table)})" for table in tables))
            return {table for table, is_filled in zip(tables, cursor.fetchone(), strict=True) if is_filled}

    def _with_referrers(self, tables: set[str]) -> set[str]:
        found, size = set(tables), 0
        while len(found) != size:
            size = len(found)
            found |= {child for child, parent in self.references if parent in found}
        return found - KEPT

    def _keep_seeds(self) -> None:
        statements = [f"DROP SCHEMA IF EXISTS {SEED_SCHEMA} CASCADE", f"CREATE SCHEMA {SEED_SCHEMA}"]
        for table in sorted(self.seeded):
            name = self.connection.ops.quote_name(table)
            statements.append(f"CREATE TABLE {SEED_SCHEMA}.{name} AS TABLE {name}")
        self._execute(statements)

    def _execute(self, statements: list[str]) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("BEGIN; " + "; ".join(statements) + "; COMMIT")

    def _column(self, query: str) -> set[str]:
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            return {row[0] for row in cursor.fetchall()}
