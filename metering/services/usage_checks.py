"""Whether what is counted of transactions is what their documents and reports say: the integrity check of models, tokens and keys."""

from collections.abc import Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from kernel.ledger.integrity.checks import Check, Violation
from metering.models import UsageKey
from metering.pricing.price_facts import parsed_json
from metering.selectors import RowDict
from metering.selectors.usage_documents import iterate_counted
from metering.selectors.usage_groups import TOKENS
from metering.selectors.usage_keys import query_usage_keys
from metering.services.usage_counting import read_transaction

NAME = "metering_usage_reading"
RULE = "The model, the tokens and the values of declared keys that a transaction counts for are those that its facts and documents say."


def find_misread_usage(tenant_id: UUID | None, at_most: int) -> Iterator[Violation]:
    """The first transactions that are counted as something else than their documents say. A violation's `facts`: what differs, the
    stored value first."""
    check = Check(name=NAME, rule=RULE, statement="")
    keys: dict[UUID, list[UsageKey]] = {}
    return islice(
        (Violation(check=check, facts=facts) for row in iterate_counted(tenant_id=tenant_id) if (facts := _differing(row, keys))), at_most
    )


def _differing(row: RowDict, known: dict[UUID, list[UsageKey]]) -> RowDict | None:
    """What is stored of a transaction beside what is read now; None where they agree. `known`: the declared keys of tenants met before."""
    tenant_id = row["tenant_id"]
    if tenant_id not in known:
        known[tenant_id] = list(query_usage_keys(tenant_id=tenant_id))
    stored_keys = parsed_json(row["keys"])
    # A transaction that was counted before a key was declared doesn't have it.
    keys = [key for key in known[tenant_id] if str(key.number) in stored_keys]
    reading = read_transaction(SimpleNamespace(**row), keys=keys)
    stored: dict[str, Any] = {"model": row["model"], **{name: int(row[name]) for name in TOKENS}}
    read: dict[str, Any] = {"model": reading.get("model"), **{name: int(reading.get(name, 0)) for name in TOKENS}}
    stored |= {str(key): stored_keys[str(key.number)] for key in keys}
    read |= {str(key): reading["keys"][str(key.number)] for key in keys}
    wrong = [name for name in stored if stored[name] != read[name]]
    if not wrong:
        return None
    return {"tenant_id": tenant_id, "id": row["id"]} | {name: [stored[name], read[name]] for name in wrong}
