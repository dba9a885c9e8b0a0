"""The rollups made anew from the rows, should they ever disagree."""

from uuid import UUID

from django.db import connection, transaction

from kernel.ledger.constraints import translate_db_errors

# Writers wait meanwhile: what they add is either in the rows that are counted here, or comes on top afterwards.
LOCK = "LOCK TABLE metering_rollup IN EXCLUSIVE MODE"
FORGET = "DELETE FROM metering_rollup WHERE tenant_id = %s"
COUNT = """
SELECT metering_roll_up(array_agg((
    hour.tenant_id, hour.starts_at, hour.service_id, hour.agent_id, '', hour.transactions, hour.succeeded, hour.failed, hour.denied,
    hour.cancelled, 0, 0, 0
)::metering_delta))
FROM (
    SELECT t.tenant_id, date_trunc('hour', t.occurred_at, 'UTC') AS starts_at, t.service_id, t.agent_id, count(*) AS transactions,
        count(*) FILTER (WHERE t.outcome = 'success') AS succeeded, count(*) FILTER (WHERE t.outcome = 'error') AS failed,
        count(*) FILTER (WHERE t.status = 'denied') AS denied, count(*) FILTER (WHERE t.status = 'cancelled') AS cancelled
    FROM metering_transaction AS t WHERE t.tenant_id = %s GROUP BY 1, 2, 3, 4
) AS hour HAVING count(*) > 0
"""
ADD = """
SELECT metering_roll_up(array_agg((
    hour.tenant_id, hour.starts_at, hour.service_id, hour.agent_id, hour.currency, 0, 0, 0, 0, 0, hour.costs, hour.amount, hour.estimated
)::metering_delta))
FROM (
    SELECT t.tenant_id, date_trunc('hour', t.occurred_at, 'UTC') AS starts_at, t.service_id, t.agent_id, c.fiat_asset_symbol AS currency,
        count(*) AS costs, sum(c.fiat_amount) AS amount, COALESCE(sum(c.fiat_amount) FILTER (WHERE c.is_estimate), 0) AS estimated
    FROM metering_cost AS c JOIN metering_transaction AS t ON t.tenant_id = c.tenant_id AND t.id = c.transaction_id
    WHERE c.is_active AND c.tenant_id = %s GROUP BY 1, 2, 3, 4, 5
) AS hour HAVING count(*) > 0
"""


@translate_db_errors
def rebuild_rollups(*, tenant_id: UUID) -> None:
    """Make a tenant's sums anew; calls that record wait for so long. Raises Busy."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        for statement in (FORGET, COUNT, ADD):
            cursor.execute(statement, [tenant_id])
