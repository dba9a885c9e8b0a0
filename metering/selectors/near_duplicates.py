"""Near-duplicates: transactions that are alike and happened shortly after one another, read from what was counted of them.

A caller who repeats a call under another idempotency key, or without one, records it twice. The ledger can't know whether it was meant,
so nothing is refused or marked when it is recorded: the pairs are looked for when they are asked for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from metering.selectors.rows import RowDict
from metering.selectors.usage_groups import TOKENS

# What two transactions must have the same of, absent values included, beside their costs and documents.
NAMES = ("service", "action", "resource", "model", "agent", "customer", "outcome")
FILTERS = ("service", "agent", "customer")
# A row for each transaction, whatever number of currencies its costs have. Documents are compared as the texts that were sent.
COUNTED = f"""
SELECT used.transaction_id, used.occurred_at, {", ".join(f"used.{name}" for name in (*NAMES, *TOKENS))},
    md5(concat(owner.qualifiers, '|', owner.request_facts)) AS documents, (
        SELECT jsonb_agg(
            jsonb_build_object('currency', other.currency, 'amount', other.amount::text, 'estimated', other.estimated::text)
            ORDER BY other.currency
        )
        FROM metering_usage AS other
        WHERE other.tenant_id = %(tenant)s AND other.transaction_id = used.transaction_id AND other.currency <> ''
    ) AS costs
FROM metering_usage AS used
JOIN metering_transaction AS owner ON owner.tenant_id = %(tenant)s AND owner.id = used.transaction_id
WHERE used.tenant_id = %(tenant)s AND used.repeated = 0 AND used.occurred_at >= %(before)s AND used.occurred_at < %(until)s
"""  # noqa: S608 - made of constants
PAIRS = f"""
SELECT transaction_id AS later_id, earlier_id, occurred_at, occurred_at - earlier_at AS apart, costs,
    {", ".join((*NAMES, *TOKENS))}
FROM (
    SELECT counted.*, lag(transaction_id) OVER alike AS earlier_id, lag(occurred_at) OVER alike AS earlier_at
    FROM ({{counted}}) AS counted
    WINDOW alike AS (PARTITION BY {", ".join((*NAMES, *TOKENS, "documents", "costs"))} ORDER BY occurred_at, transaction_id)
) AS placed
WHERE occurred_at >= %(since)s AND occurred_at - earlier_at <= %(within)s {{beyond}}
ORDER BY occurred_at DESC, transaction_id DESC
LIMIT %(limit)s
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, kw_only=True)
class NearDuplicateQuestion:
    """Which pairs are asked for: those whose later transaction occurred from `since` (included) to `until` (excluded), at most `within`
    after the earlier one. `filters`: values of some of FILTERS, which both have."""

    tenant_id: UUID
    since: datetime
    until: datetime
    within: timedelta
    filters: dict[str, Any]


def list_near_duplicates(question: NearDuplicateQuestion, *, limit: int, after: Sequence[Any] | None = None) -> list[RowDict]:
    """The pairs, the newest first; of more than two alike each with the one before it. One query. `after`: the last pair's `place`.

    A row: earlier_id, later_id, `apart`, the values that both have (NAMES, TOKENS, `costs`), and `place`.
    """
    parameters: dict[str, Any] = {
        "tenant": question.tenant_id,
        "before": question.since - question.within,
        "since": question.since,
        "until": question.until,
        "within": question.within,
        "limit": limit,
    }
    named = {name: value for name, value in question.filters.items() if name in FILTERS}
    counted = COUNTED + "".join(f" AND used.{name} = %(filter_{name})s" for name in named)
    beyond = ""
    if after is not None:
        beyond = "AND (occurred_at, transaction_id) < (%(after_at)s, %(after_id)s)"
        parameters |= {"after_at": after[0], "after_id": after[1]}
    parameters |= {f"filter_{name}": value for name, value in named.items()}
    with connection.cursor() as cursor:
        cursor.execute(PAIRS.format(counted=counted, beyond=beyond), parameters)
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    return [_to_row(row) for row in rows]


def _to_row(row: RowDict) -> RowDict:
    tokens = {name: int(row[name]) for name in TOKENS}
    return row | tokens | {"place": [row["occurred_at"], row["later_id"]], "costs": _costs(row["costs"])}


def _costs(text: str | None) -> list[RowDict]:
    amounts = ("amount", "estimated")
    return [cost | {name: Decimal(cost[name]) for name in amounts} for cost in json.loads(text or "[]")]
