"""What must hold of the metering book; `find_violations` recomputes everything that is kept twice from the rows."""

from collections.abc import Iterator
from uuid import UUID

from kernel.ledger.integrity import checks
from kernel.ledger.integrity.checks import Check, Violation


def find_violations(*, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first violations of each check, over the whole book or one tenant's."""
    return checks.find_violations(CHECKS, tenant_id=tenant_id, at_most=at_most)


# Sums as they are kept, less what the rows come to; counts apart from amounts, for they stand under any one currency.
ROLLUPS = """
WITH grain (name) AS (VALUES ('day'), ('hour')),
kept AS (
    SELECT tenant_id, grain, starts_at, service_id, agent_id, '' AS currency, sum(transactions) AS transactions,
        sum(succeeded) AS succeeded,
        sum(failed) AS failed, sum(denied) AS denied, sum(cancelled) AS cancelled, 0 AS costs, 0 AS amount, 0 AS estimated
    FROM metering_rollup WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s::uuid
    GROUP BY tenant_id, grain, starts_at, service_id, agent_id
    UNION ALL
    SELECT tenant_id, grain, starts_at, service_id, agent_id, currency, 0, 0, 0, 0, 0, sum(costs), sum(amount), sum(estimated)
    FROM metering_rollup WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s::uuid) AND currency <> ''
    GROUP BY tenant_id, grain, starts_at, service_id, agent_id, currency
), counted AS (
    SELECT t.tenant_id, grain.name AS grain, date_trunc(grain.name, t.occurred_at, 'UTC') AS starts_at, t.service_id, t.agent_id,
        '' AS currency,
        count(*) AS transactions, count(*) FILTER (WHERE t.outcome = 'success') AS succeeded,
        count(*) FILTER (WHERE t.outcome = 'error') AS failed, count(*) FILTER (WHERE t.status = 'denied') AS denied,
        count(*) FILTER (WHERE t.status = 'cancelled') AS cancelled, 0 AS costs, 0 AS amount, 0 AS estimated
    FROM metering_transaction AS t CROSS JOIN grain WHERE %(tenant)s::uuid IS NULL OR t.tenant_id = %(tenant)s::uuid
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT t.tenant_id, grain.name, date_trunc(grain.name, t.occurred_at, 'UTC'), t.service_id, t.agent_id, c.fiat_asset_symbol,
        0, 0, 0, 0, 0,
        count(*), sum(c.fiat_amount), COALESCE(sum(c.fiat_amount) FILTER (WHERE c.is_estimate), 0)
    FROM metering_cost AS c JOIN metering_transaction AS t ON t.tenant_id = c.tenant_id AND t.id = c.transaction_id CROSS JOIN grain
    WHERE c.is_active AND (%(tenant)s::uuid IS NULL OR c.tenant_id = %(tenant)s::uuid)
    GROUP BY 1, 2, 3, 4, 5, 6
), both_sides AS (
    SELECT *, 1 AS sign FROM kept UNION ALL SELECT *, -1 FROM counted
)
SELECT tenant_id, grain, starts_at, service_id, agent_id, currency,
    sum(sign * transactions) AS transactions, sum(sign * succeeded) AS succeeded, sum(sign * failed) AS failed,
    sum(sign * denied) AS denied,
    sum(sign * cancelled) AS cancelled, sum(sign * costs) AS costs, sum(sign * amount) AS amount, sum(sign * estimated) AS estimated
FROM both_sides
GROUP BY tenant_id, grain, starts_at, service_id, agent_id, currency
HAVING (sum(sign * transactions), sum(sign * succeeded), sum(sign * failed), sum(sign * denied), sum(sign * cancelled), sum(sign * costs),
    sum(sign * amount), sum(sign * estimated)) <> (0, 0, 0, 0, 0, 0, 0, 0)
ORDER BY tenant_id, starts_at, grain
"""

CHECKS = (
    Check(
        name="metering_rollup",
        rule="The sums of every hour and day are those of its transactions and their active costs.",
        statement=ROLLUPS,
    ),
    Check(
        name="metering_status",
        rule="A transaction has the status of the last step in its history.",
        statement="""
            SELECT t.tenant_id, t.id, t.status, latest.to_status AS step
            FROM metering_transaction AS t
            LEFT JOIN LATERAL (
                SELECT s.to_status FROM metering_statuschange AS s WHERE s.tenant_id = t.tenant_id AND s.transaction_id = t.id
                ORDER BY s.created_at DESC, s.id DESC LIMIT 1
            ) AS latest ON true
            WHERE t.status IS DISTINCT FROM latest.to_status AND (%(tenant)s::uuid IS NULL OR t.tenant_id = %(tenant)s::uuid)
            ORDER BY t.tenant_id, t.id
        """,
    ),
    Check(
        name="metering_supersession",
        rule="A cost is active until another supersedes it, and was superseded when that one was made.",
        statement="""
            SELECT c.tenant_id, c.id, c.is_active, later.id AS superseded_by
            FROM metering_cost AS c
            LEFT JOIN metering_cost AS later ON later.tenant_id = c.tenant_id AND later.supersedes_id = c.id
            WHERE (c.is_active = (later.id IS NOT NULL) OR later.created_at <> c.superseded_at)
                AND (%(tenant)s::uuid IS NULL OR c.tenant_id = %(tenant)s::uuid)
            ORDER BY c.tenant_id, c.id
        """,
    ),
)
