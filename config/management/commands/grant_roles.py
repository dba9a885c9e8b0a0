"""Gives the service's database role exactly the rights that it needs. Run it as the owner after every `migrate`."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection, transaction

from config.database_roles import grant_statements, service_privileges


class Command(BaseCommand):
    help = (
        "Grants the service's database role what requests and jobs need, and revokes the rest: no DELETE and no TRUNCATE in "
        "the ledgers, UPDATE of changeable columns alone. Run it as the owner of the tables after every migrate; running it again is safe."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--owner", required=True, help="the role that owns the tables and runs migrate")
        parser.add_argument("--service", required=True, help="the role that the service and its workers log in with")

    def handle(self, *args: Any, owner: str, service: str, **options: Any) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _check_roles(cursor, owner=owner, service=service)
                tables = service_privileges(cursor)
                database = str(connection.settings_dict["NAME"])
                session = settings.DATABASE_SESSION_SETTINGS
                for statement in grant_statements(owner=owner, service=service, database=database, tables=tables, settings=session):
                    cursor.execute(statement)
        except DatabaseError as error:
            raise CommandError(f"The database refused, and nothing was granted: {' '.join(str(error).split())}") from error
        self.stdout.write(f"{service} may use {len(tables)} tables of {database}, and deletes nothing in the ledgers.")


def _check_roles(cursor: Any, *, owner: str, service: str) -> None:
    """Raises CommandError where granting would not protect the tables, or can't work."""
    if owner == service:
        raise CommandError("--owner and --service are the same role: an owner can remove every trigger, so the service needs another.")
    cursor.execute(
        "SELECT rolname, rolsuper, pg_has_role(rolname, %s, 'USAGE') FROM pg_roles WHERE rolname = ANY (%s)", [owner, [owner, service]]
    )
    roles = {name: (is_super, is_member) for name, is_super, is_member in cursor.fetchall()}
    for role in (owner, service):
        if role not in roles:
            raise CommandError(f"There is no role {role}: make it with CREATE ROLE {role} LOGIN PASSWORD '...'.")
    is_super, is_member = roles[service]
    if is_super or is_member:
        raise CommandError(f"{service} is a superuser or a member of {owner}: no grant would limit it.")
    cursor.execute(
        "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public' AND tableowner <> %s ORDER BY 1 LIMIT 1", [owner]
    )
    if other := cursor.fetchone():
        raise CommandError(f"The table {other[0]} belongs to {other[1]}, not to {owner}.")
