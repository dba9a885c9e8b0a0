"""Another rule in the place of a database function, for tests that everything calls the function."""

from django.db import connection


def replace_rule(function: str, expression: str) -> None:
    """Has an SQL function compute `expression` of its own parameters. Fails where there are two of its name: one of them isn't replaced."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc WHERE proname = %s", [function])
        [(arguments, result)] = cursor.fetchall()
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION {function}({arguments}) RETURNS {result} LANGUAGE sql IMMUTABLE AS 'SELECT {expression}'"
        )
