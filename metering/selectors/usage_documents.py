"""The documents of transactions from which the sums of usage_groups.py are counted, and their checks made: they name the model, the tokens
and the values of declared keys."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from kernel.ledger import queries
from metering.selectors.usage_groups import TOKENS

# Rows that a check fetches at a time.
CHUNK = 2000
# JSON as its text, so that its numbers stay exact. The reports in the order in which they were recorded.
COLUMNS = """
    owner.id, service.name AS service, owner.resource_name AS resource, owner.qualifiers::text AS qualifiers,
    owner.metadata::text AS metadata, owner.request_facts::text AS request_facts, (
        SELECT json_agg(
            json_build_object('phase', fact.phase, 'call_id', fact.call_id, 'facts', fact.facts) ORDER BY fact.created_at, fact.id
        )
        FROM metering_fact AS fact
        WHERE fact.tenant_id = owner.tenant_id AND fact.transaction_id = owner.id AND fact.phase <> 'request'
    )::text AS reports
"""
READABLE = f"""
SELECT {COLUMNS}
FROM unnest(%s::uuid[]) AS wanted (id)
JOIN metering_transaction AS owner ON owner.tenant_id = %s AND owner.id = wanted.id
JOIN metering_service AS service ON service.tenant_id = owner.tenant_id AND service.id = owner.service_id
"""  # noqa: S608 - made of constants
# What is counted, with what it was read from; not what changed since, of which a note says so.
COUNTED = f"""
SELECT owner.tenant_id, {COLUMNS}, used.model, used.keys::text AS keys, {", ".join(f"used.{name}" for name in TOKENS)}
FROM metering_usage AS used
JOIN metering_transaction AS owner ON owner.tenant_id = used.tenant_id AND owner.id = used.transaction_id
JOIN metering_service AS service ON service.tenant_id = owner.tenant_id AND service.id = owner.service_id
WHERE used.repeated = 0 AND (%(tenant)s::uuid IS NULL OR used.tenant_id = %(tenant)s::uuid)
    AND NOT EXISTS (
        SELECT FROM metering_usagenote AS note WHERE note.tenant_id = used.tenant_id AND note.transaction_id = used.transaction_id
    )
"""  # noqa: S608 - made of constants


def list_readable(*, tenant_id: UUID, ids: Sequence[UUID]) -> list[Any]:
    """Transactions with what their reading needs; one query."""
    return queries.fetch_rows(READABLE, [list(ids), tenant_id])


def iterate_counted(*, tenant_id: UUID | None) -> Iterator[dict[str, Any]]:
    """What is counted of each transaction, with what it was read from; one statement, whose rows stream."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(COUNTED, {"tenant": tenant_id})
        names: list[str] = []
        while rows := cursor.fetchmany(CHUNK):
            names = names or [column.name for column in cursor.description]
            for row in rows:
                yield dict(zip(names, row, strict=True))
