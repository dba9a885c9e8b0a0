"""What must hold of the metering ledger; `find_violations` recomputes everything that is kept twice from the rows."""

from collections.abc import Iterator
from uuid import UUID

from kernel.ledger.fact_digests import ABSENT, SIZE
from kernel.ledger.integrity import checks
from kernel.ledger.integrity.checks import Check, Violation
from metering.digests import TRANSACTION_FACTS
from metering.integrity import usage


def find_violations(*, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first violations of each check, over the whole ledger or one tenant's."""
    return checks.find_violations(CHECKS, tenant_id=tenant_id, at_most=at_most)


# The stored sums minus those counted from the rows (metering_count_rollups). Counts are compared apart from amounts, because a transaction
# is counted under any one of its currencies.
ROLLUPS = """
WITH tenant AS (
    SELECT id FROM tenants_tenant WHERE %(tenant)s::uuid IS NULL OR id = %(tenant)s::uuid
), both_sides AS (
    SELECT stored.tenant_id, stored.grain::text, stored.starts_at, stored.service_id, stored.agent_id, '' AS currency, stored.transactions,
        stored.succeeded, stored.failed, stored.denied, stored.cancelled, 0 AS costs, 0::numeric AS amount, 0::numeric AS estimated
    FROM metering_rollup AS stored JOIN tenant ON tenant.id = stored.tenant_id
    UNION ALL
    SELECT stored.tenant_id, stored.grain, stored.starts_at, stored.service_id, stored.agent_id, stored.currency, 0, 0, 0, 0, 0,
        stored.costs, stored.amount, stored.estimated
    FROM metering_rollup AS stored JOIN tenant ON tenant.id = stored.tenant_id
    WHERE stored.currency <> ''
    UNION ALL
    SELECT tenant.id, counted.grain, counted.starts_at, counted.service_id, counted.agent_id, counted.currency, -counted.transactions,
        -counted.succeeded, -counted.failed, -counted.denied, -counted.cancelled, -counted.costs, -counted.amount, -counted.estimated
    FROM tenant CROSS JOIN LATERAL metering_count_rollups(tenant.id) AS counted
)
SELECT tenant_id, grain, starts_at, service_id, agent_id, currency,
    sum(transactions) AS transactions, sum(succeeded) AS succeeded, sum(failed) AS failed, sum(denied) AS denied,
    sum(cancelled) AS cancelled, sum(costs) AS costs, sum(amount) AS amount, sum(estimated) AS estimated
FROM both_sides
GROUP BY tenant_id, grain, starts_at, service_id, agent_id, currency
HAVING (sum(transactions), sum(succeeded), sum(failed), sum(denied), sum(cancelled), sum(costs), sum(amount), sum(estimated))
    <> (0, 0, 0, 0, 0, 0, 0, 0)
ORDER BY tenant_id, starts_at, grain
"""
# The steps of a transaction's status form one chain: in one round each is entered once, so a step's predecessor is the one that leads to
# it, in the same round or, for a round's first step, in an earlier one.
HISTORY = """
SELECT step.tenant_id, step.transaction_id AS id, step.id AS step_id, step.from_status, step.to_status
FROM metering_statuschange AS step
LEFT JOIN metering_statuschange AS earlier ON earlier.tenant_id = step.tenant_id AND earlier.transaction_id = step.transaction_id
    AND earlier.to_status = step.from_status AND earlier.round = (
        SELECT max(other.round) FROM metering_statuschange AS other
        WHERE other.tenant_id = step.tenant_id AND other.transaction_id = step.transaction_id AND other.to_status = step.from_status
            AND other.round <= step.round AND other.id <> step.id
            -- A round that waited is entered from `authorized`, and leads to it again.
            AND other.created_at <= step.created_at
    )
WHERE (
        (step.from_status IS NULL AND EXISTS (
            SELECT FROM metering_statuschange AS other
            WHERE other.tenant_id = step.tenant_id AND other.transaction_id = step.transaction_id AND other.from_status IS NULL
                AND other.id <> step.id
        ))
        OR (step.from_status IS NOT NULL AND (
            earlier.id IS NULL OR earlier.created_at > step.created_at OR NOT (
                metering_may_move(step.from_status, step.to_status)
                OR (earlier.round < step.round AND metering_begins_round(step.from_status, step.to_status))
            )
        ))
    )
    AND (%(tenant)s::uuid IS NULL OR step.tenant_id = %(tenant)s::uuid)
ORDER BY step.tenant_id, step.transaction_id, step.id
"""
# Finds transactions whose dates of their statuses differ from the status changes that led there. One that was recorded as completed may say
# itself when that was.
DATES = """
SELECT owner.tenant_id, owner.id, step.to_status, step.occurred_at,
    CASE step.to_status WHEN 'preparing' THEN owner.preparing_at WHEN 'authorized' THEN owner.authorized_at
        WHEN 'denied' THEN owner.denied_at WHEN 'cancelled' THEN owner.cancelled_at WHEN 'completed' THEN owner.completed_at END AS dated
FROM metering_transaction AS owner
JOIN metering_statuschange AS step ON step.tenant_id = owner.tenant_id AND step.transaction_id = owner.id
WHERE step.to_status <> 'pending' AND NOT (step.to_status = 'completed' AND step.from_status IS NULL)
    AND NOT EXISTS (
        SELECT FROM metering_statuschange AS again WHERE again.tenant_id = step.tenant_id AND again.transaction_id = step.transaction_id
            AND again.to_status = step.to_status AND again.round > step.round
    )
    -- A transaction that was authorized again at once has the time of that, without a step.
    AND NOT (step.to_status = 'authorized' AND step.round < owner.round AND owner.authorized_at > step.occurred_at)
    AND step.occurred_at IS DISTINCT FROM
        CASE step.to_status WHEN 'preparing' THEN owner.preparing_at WHEN 'authorized' THEN owner.authorized_at
            WHEN 'denied' THEN owner.denied_at WHEN 'cancelled' THEN owner.cancelled_at WHEN 'completed' THEN owner.completed_at END
    AND owner.request_id NOT LIKE 'run:%%' AND (%(tenant)s::uuid IS NULL OR owner.tenant_id = %(tenant)s::uuid)
ORDER BY owner.tenant_id, owner.id
"""
# A cost computed from facts has its arithmetic in its details. PostgreSQL rounds the division by the number of units at another place
# than Python does, hence the tolerance of one unit in the 17th decimal.
INFERRED = """
SELECT cost.tenant_id, cost.id, cost.fiat_amount, cost.fiat_asset_symbol, computed.arithmetic, book.amount AS by_the_price
FROM metering_cost AS cost
JOIN metering_fact AS fact ON fact.tenant_id = cost.tenant_id AND fact.id = cost.inferred_from_id
CROSS JOIN LATERAL (
    SELECT cost.cost_details ->> 'arithmetic' AS arithmetic, cost.cost_details #>> '{price,id}' AS price_id,
        cost.cost_details -> 'quantities' AS quantities
) AS computed
LEFT JOIN metering_price AS price ON price.tenant_id = cost.tenant_id AND price.id = computed.price_id::uuid
LEFT JOIN LATERAL (
    SELECT
        greatest(price.minimum, price.flat_amount + coalesce(sum(metering_unit_cost(stated.quantity - stated.parts, unit)), 0)) AS amount,
        bool_and(stated.quantity = coalesce(fact.facts ->> unit.fact_key, fact.facts #>> string_to_array(unit.fact_key, '.'), '0')::numeric)
            AS is_reported
    FROM metering_unitprice AS unit
    CROSS JOIN LATERAL (
        SELECT (computed.quantities ->> unit.fact_key)::numeric AS quantity, coalesce((
            SELECT sum((computed.quantities ->> part.fact_key)::numeric) FROM metering_unitprice AS part
            WHERE part.tenant_id = unit.tenant_id AND part.price_id = unit.price_id AND part.part_of = unit.fact_key
        ), 0) AS parts
    ) AS stated
    WHERE unit.tenant_id = cost.tenant_id AND unit.price_id = price.id
) AS book ON price.markup IS NULL
WHERE computed.arithmetic ~ ' = [0-9]+([.][0-9]+)?$' AND (
        split_part(computed.arithmetic, ' = ', 2)::numeric <> cost.fiat_amount
        OR abs(book.amount - cost.fiat_amount) > 0.00000000000000001
        OR NOT book.is_reported
        OR price.currency <> cost.fiat_asset_symbol
    )
    AND (%(tenant)s::uuid IS NULL OR cost.tenant_id = %(tenant)s::uuid)
ORDER BY cost.tenant_id, cost.id
"""
# The part of a transaction's digest that covers its traceId and traceExternalId: zeros where the caller stated neither.
TRACE_PART = f"FROM {TRANSACTION_FACTS.index('trace_id') * SIZE + 1} FOR {2 * SIZE}"
OWN_TRACE = rf"""
SELECT own.tenant_id, own.id, own.trace_id
FROM metering_transaction AS own
WHERE substring(own.facts_digest {TRACE_PART}) = '\x{(2 * ABSENT).hex()}'::bytea
    AND (%(tenant)s::uuid IS NULL OR own.tenant_id = %(tenant)s::uuid)
    AND EXISTS (
        SELECT FROM metering_transaction AS other
        WHERE other.tenant_id = own.tenant_id AND other.trace_id = own.trace_id AND other.id <> own.id
            AND substring(other.facts_digest {TRACE_PART}) = '\x{(2 * ABSENT).hex()}'::bytea
    )
ORDER BY own.tenant_id, own.id
"""  # noqa: S608 - made of constants
# Rows that are written along with their transaction are covered by its digest; every later one has its own.
MISSING_DIGESTS = """
SELECT added.tenant_id, added.id, added.row_of
FROM (
    SELECT tenant_id, id, transaction_id, created_at, facts_digest, 'metering_cost' AS row_of FROM metering_cost
    UNION ALL SELECT tenant_id, id, transaction_id, created_at, facts_digest, 'metering_fact' FROM metering_fact
    UNION ALL SELECT tenant_id, id, transaction_id, created_at, facts_digest, 'metering_statuschange' FROM metering_statuschange
) AS added
JOIN metering_transaction AS owner ON owner.tenant_id = added.tenant_id AND owner.id = added.transaction_id
WHERE added.facts_digest IS NULL AND added.created_at <> owner.created_at
    AND (%(tenant)s::uuid IS NULL OR added.tenant_id = %(tenant)s::uuid)
ORDER BY added.tenant_id, added.id
"""
CHECKS = (
    Check(
        name="metering_rollup_sums",
        rule="The sums of every hour and day are those of its transactions and their active costs.",
        statement=ROLLUPS,
    ),
    Check(
        name="metering_status_equals_last_step",
        rule="A transaction has the status of the last step in its history, and a decline reason only if that is a denial.",
        statement="""
            SELECT t.tenant_id, t.id, t.status, latest.to_status AS step, t.decline_reason
            FROM metering_transaction AS t
            LEFT JOIN LATERAL (
                SELECT s.to_status FROM metering_statuschange AS s WHERE s.tenant_id = t.tenant_id AND s.transaction_id = t.id
                    AND NOT EXISTS (
                        SELECT FROM metering_statuschange AS later WHERE later.tenant_id = t.tenant_id AND later.transaction_id = t.id
                            AND later.round = s.round AND later.from_status = s.to_status
                            AND NOT metering_begins_round(later.from_status, later.to_status)
                    )
                ORDER BY s.round DESC, s.created_at DESC, s.id DESC LIMIT 1
            ) AS latest ON true
            WHERE (t.status IS DISTINCT FROM latest.to_status OR (t.decline_reason IS NOT NULL AND t.status <> 'denied'))
                AND (%(tenant)s::uuid IS NULL OR t.tenant_id = %(tenant)s::uuid)
            ORDER BY t.tenant_id, t.id
        """,
    ),
    Check(
        name="metering_status_history",
        rule="The steps of a transaction's status begin with one and lead from each to the next as the state machine allows.",
        statement=HISTORY,
    ),
    Check(
        name="metering_status_dates",
        rule="A transaction reached each status when the step that led there happened.",
        statement=DATES,
    ),
    Check(
        name="metering_supersession",
        rule="A cost is active until another of its transaction supersedes it, and was superseded when that one was made.",
        statement="""
            SELECT c.tenant_id, c.id, c.is_active, c.superseded_by_id, named.id AS named_by
            FROM metering_cost AS c
            LEFT JOIN metering_cost AS later ON later.tenant_id = c.tenant_id AND later.id = c.superseded_by_id
            LEFT JOIN metering_cost AS named ON named.tenant_id = c.tenant_id AND named.supersedes_id = c.id
            WHERE (
                    c.is_active = (later.id IS NOT NULL) OR later.created_at <> c.superseded_at
                    OR (named.id IS NOT NULL AND named.id IS DISTINCT FROM c.superseded_by_id)
                    OR (later.id IS NOT NULL AND later.supersedes_id IS NULL)
                ) AND (%(tenant)s::uuid IS NULL OR c.tenant_id = %(tenant)s::uuid)
            ORDER BY c.tenant_id, c.id
        """,
    ),
    Check(
        name="metering_inferred_cost",
        rule="A cost computed from facts is what its price makes of the quantities that were reported.",
        statement=INFERRED,
    ),
    Check(
        name="metering_priced_fact",
        rule="A fact that was priced has the cost that was computed from it.",
        statement="""
            SELECT fact.tenant_id, fact.id, fact.transaction_id, fact.pricing
            FROM metering_fact AS fact
            WHERE fact.pricing = 'priced' AND (%(tenant)s::uuid IS NULL OR fact.tenant_id = %(tenant)s::uuid)
                AND NOT EXISTS (
                    SELECT FROM metering_cost AS cost
                    WHERE cost.tenant_id = fact.tenant_id AND cost.transaction_id = fact.transaction_id AND cost.inferred_from_id = fact.id
                )
            ORDER BY fact.tenant_id, fact.id
        """,
    ),
    Check(
        name="metering_own_trace",
        rule="Transactions that named no trace don't share one.",
        statement=OWN_TRACE,
    ),
    Check(
        name="metering_missing_digest",
        rule="Every cost, fact and step that was added to a transaction has a digest of the call that added it.",
        statement=MISSING_DIGESTS,
    ),
    Check(
        name="metering_void_estimates",
        rule="A cancelled or denied transaction has no active estimate, and one that was denied from the start has no cost at all.",
        statement="""
            SELECT c.tenant_id, c.id, t.id AS transaction_id, t.status, c.fiat_amount
            FROM metering_cost AS c JOIN metering_transaction AS t ON t.tenant_id = c.tenant_id AND t.id = c.transaction_id
            WHERE (
                    (t.status IN ('cancelled', 'denied') AND c.is_active AND c.is_estimate)
                    OR (t.status = 'denied' AND c.is_active AND EXISTS (
                        SELECT FROM metering_statuschange AS step
                        WHERE step.tenant_id = t.tenant_id AND step.transaction_id = t.id AND step.from_status IS NULL
                            AND step.to_status = 'denied'
                    ))
                ) AND (%(tenant)s::uuid IS NULL OR c.tenant_id = %(tenant)s::uuid)
            ORDER BY c.tenant_id, c.id
        """,
    ),
    *usage.CHECKS,
)
