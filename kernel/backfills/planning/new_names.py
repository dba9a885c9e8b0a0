"""Names in a file that the ledger doesn't have yet (types, services, agents, customers, currencies), with how many rows have them."""

from collections.abc import Iterator, Sequence
from typing import Any

from kernel.backfills.adapters import Adapter
from kernel.backfills.planning.temp_tables import PlanTables
from kernel.tenants.models import Tenant

MAX_NAMES = 200
PAGE = 1000
# At most so many names of a file are compared with the ledger's: a file with a customer for each row must not make the plan slow.
NAMES_LOOKED_AT = 20_000


def new_names(adapter: Adapter, tenant: Tenant, tables: PlanTables) -> dict[str, Any]:
    """By kind of name: each unknown one with its rows, the most frequent first, and how many there are."""
    found: dict[str, Any] = {}
    for noun in tables.nouns():
        unknown = list(_unknown(adapter, tenant, tables, noun))
        if unknown:
            found[noun] = {"count": len(unknown), "names": [{"name": name, "rows": rows} for name, rows in unknown[:MAX_NAMES]]}
    return found


def _unknown(adapter: Adapter, tenant: Tenant, tables: PlanTables, noun: str) -> Iterator[tuple[str, int]]:
    for start in range(0, NAMES_LOOKED_AT, PAGE):
        page: Sequence[tuple[str, int]] = tables.names(noun, at_most=PAGE, after=start)
        known = adapter.known_names(tenant, noun, [name for name, _ in page]) if page else set()
        yield from ((name, rows) for name, rows in page if name not in known)
        if len(page) < PAGE:
            return
