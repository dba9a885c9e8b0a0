"""What must hold of the sums that questions about usage are answered from (metering/services/usage_counting.py)."""

from kernel.ledger.integrity.checks import Check

# What transactions count for in questions about usage, against their rows. Left out are those that are still to be counted: recorded since
# the tenant's progress, or changed since they were counted (a note says so).
USAGE = """
WITH counted AS (
    SELECT owner.* FROM metering_transaction AS owner
    WHERE (%(tenant)s::uuid IS NULL OR owner.tenant_id = %(tenant)s::uuid)
        AND (EXISTS (
            SELECT FROM metering_usageprogress AS progress
            WHERE progress.tenant_id = owner.tenant_id AND owner.created_at < progress.counted_until
        ) OR EXISTS (
            SELECT FROM metering_usage AS used WHERE used.tenant_id = owner.tenant_id AND used.transaction_id = owner.id
        ))
        AND NOT EXISTS (
            SELECT FROM metering_usagenote AS note WHERE note.tenant_id = owner.tenant_id AND note.transaction_id = owner.id
        )
), spent AS (
    SELECT cost.tenant_id, cost.transaction_id, cost.fiat_asset_symbol AS currency, sum(cost.fiat_amount) AS amount,
        coalesce(sum(cost.fiat_amount) FILTER (WHERE cost.is_estimate), 0) AS estimated,
        row_number() OVER (PARTITION BY cost.tenant_id, cost.transaction_id ORDER BY cost.fiat_asset_symbol) AS place
    FROM metering_cost AS cost
    WHERE cost.is_active AND (%(tenant)s::uuid IS NULL OR cost.tenant_id = %(tenant)s::uuid)
    GROUP BY cost.tenant_id, cost.transaction_id, cost.fiat_asset_symbol
), expected AS (
    SELECT counted.tenant_id, counted.id AS transaction_id, coalesce(spent.currency, '') AS currency, counted.occurred_at,
        counted.created_at AS recorded_at, service.name::text AS service, counted.action_name::text AS action,
        counted.resource_name::text AS resource, counted.agent_id AS agent, counted.customer_id::text AS customer,
        trace.reference AS trace, counted.outcome::text AS outcome, 1 AS transactions, (coalesce(spent.place, 1) > 1)::integer AS repeated,
        coalesce(spent.amount, 0) AS amount, coalesce(spent.estimated, 0) AS estimated
    FROM counted
    JOIN metering_service AS service ON service.tenant_id = counted.tenant_id AND service.id = counted.service_id
    JOIN metering_trace AS trace ON trace.tenant_id = counted.tenant_id AND trace.id = counted.trace_id
    LEFT JOIN spent ON spent.tenant_id = counted.tenant_id AND spent.transaction_id = counted.id
), stored AS (
    SELECT used.* FROM metering_usage AS used
    WHERE (%(tenant)s::uuid IS NULL OR used.tenant_id = %(tenant)s::uuid) AND NOT EXISTS (
        SELECT FROM metering_usagenote AS note WHERE note.tenant_id = used.tenant_id AND note.transaction_id = used.transaction_id
    )
)
SELECT coalesce(stored.tenant_id, expected.tenant_id) AS tenant_id, coalesce(stored.transaction_id, expected.transaction_id) AS id,
    coalesce(stored.currency, expected.currency) AS currency, stored.amount AS stored, expected.amount AS expected
FROM stored FULL JOIN expected
    ON expected.tenant_id = stored.tenant_id AND expected.transaction_id = stored.transaction_id AND expected.currency = stored.currency
WHERE (
        stored.occurred_at, stored.recorded_at, stored.service, stored.action, stored.resource, stored.agent, stored.customer, stored.trace,
        stored.outcome, stored.transactions, stored.repeated, stored.amount, stored.estimated
    ) IS DISTINCT FROM (
        expected.occurred_at, expected.recorded_at, expected.service, expected.action, expected.resource, expected.agent,
        expected.customer, expected.trace, expected.outcome, expected.transactions::bigint, expected.repeated::bigint, expected.amount,
        expected.estimated
    )
ORDER BY 1, 2
"""
# The sums by any two dimensions against the transactions' own usage. Sums of a key that is withdrawn are deleted by a job.
USAGE_MEASURES = (
    *("transactions", "repeated", "amount", "estimated", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("input_audio_tokens", "output_audio_tokens", "reasoning_tokens"),
)
USAGE_SUMS = f"""
WITH withdrawn AS (
    SELECT key.tenant_id, key.number FROM metering_usagekey AS key WHERE key.withdrawn_at IS NOT NULL
), both_sides AS (
    SELECT stored.tenant_id, stored.first_dimension, stored.second_dimension, stored.grain::text AS grain, stored.clock::text AS clock,
        stored.starts_at, stored.first, stored.second, stored.currency::text AS currency, stored.outcome::text AS outcome,
        {", ".join(f"stored.{name}" for name in USAGE_MEASURES)}
    FROM metering_usagesum AS stored
    WHERE (%(tenant)s::uuid IS NULL OR stored.tenant_id = %(tenant)s::uuid) AND NOT EXISTS (
        SELECT FROM withdrawn
        WHERE withdrawn.tenant_id = stored.tenant_id AND withdrawn.number IN (stored.first_dimension, stored.second_dimension)
    )
    UNION ALL
    SELECT used.tenant_id, part.first_dimension, part.second_dimension, part.grain, part.clock, part.starts_at, part.first, part.second,
        used.currency, used.outcome, {", ".join(f"-used.{name}" for name in USAGE_MEASURES)}
    FROM metering_usage AS used
    CROSS JOIN LATERAL metering_usage_places(
        ARRAY[1, 2, 3, 4, 5, 6]::smallint[] || ARRAY(
            SELECT stated::smallint FROM jsonb_object_keys(coalesce(used.keys, '{{}}')) AS stated
            WHERE NOT EXISTS (SELECT FROM withdrawn WHERE withdrawn.tenant_id = used.tenant_id AND withdrawn.number = stated::smallint)
        ),
        jsonb_build_object(
            '1', used.service, '2', used.action, '3', used.resource, '4', used.model, '5', used.agent, '6', used.customer
        ) || coalesce(used.keys, '{{}}'), used.occurred_at, used.recorded_at
    ) AS part
    WHERE %(tenant)s::uuid IS NULL OR used.tenant_id = %(tenant)s::uuid
)
SELECT tenant_id, first_dimension, second_dimension, grain, clock, starts_at, first, second, currency, outcome,
    {", ".join(f"sum({name}) AS {name}" for name in USAGE_MEASURES)}
FROM both_sides
GROUP BY tenant_id, first_dimension, second_dimension, grain, clock, starts_at, first, second, currency, outcome
HAVING ({", ".join(f"sum({name})" for name in USAGE_MEASURES)}) <> ({", ".join("0" for _ in USAGE_MEASURES)})
ORDER BY tenant_id, starts_at, first_dimension, second_dimension
"""  # noqa: S608 - made of constants

CHECKS = (
    Check(
        name="metering_usage_equals_rows",
        rule="What a counted transaction counts for in questions about usage is what its rows say.",
        statement=USAGE,
    ),
    Check(
        name="metering_usage_sum",
        rule="The sums by any two dimensions are those of what transactions count for.",
        statement=USAGE_SUMS,
    ),
)
