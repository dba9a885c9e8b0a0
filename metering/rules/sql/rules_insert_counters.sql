-- Makes the counters that measures need and that don't exist yet.
-- Takes: the tenant, what is measured, and how many counters a measure may have.
-- Returns: nothing. A group beyond that number gets no counter.
-- Locks: waits where another call makes the same counter, in the order of measure and group; then the measures that got a new group, by id.
-- Every call makes its counters before it locks any, so that two calls can't deadlock. Never: changes a counter that exists.
CREATE OR REPLACE FUNCTION rules_insert_counters(tenant uuid, measured rules_measured[], most_groups integer)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    made uuid[];
BEGIN
    WITH inserted AS (
        INSERT INTO rules_rulecounter (id, tenant_id, measure_id, group_key, group_digest, used, tail_at, last_at)
        SELECT DISTINCT ON (wanted.measure_id, wanted.group_digest) ledger_new_id(), tenant, wanted.measure_id, wanted.group_key,
            wanted.group_digest, 0, timestamptz '1900-01-01 00:00:00Z', timestamptz '1900-01-01 00:00:00Z'
        FROM unnest(measured) AS wanted
        JOIN rules_rulemeasure AS measure ON measure.tenant_id = tenant AND measure.id = wanted.measure_id
        WHERE wanted.counter_id IS NULL AND measure.groups < most_groups
        ORDER BY wanted.measure_id, wanted.group_digest
        ON CONFLICT (tenant_id, measure_id, group_digest) DO NOTHING
        RETURNING measure_id
    )
    SELECT array_agg(inserted.measure_id) INTO made FROM inserted;
    PERFORM measure.id
    FROM rules_rulemeasure AS measure
    WHERE measure.tenant_id = tenant AND measure.id = ANY (made)
    ORDER BY measure.id
    FOR NO KEY UPDATE;
    UPDATE rules_rulemeasure AS measure
    SET groups = measure.groups + (SELECT count(*) FROM unnest(made) AS one WHERE one = measure.id)
    WHERE measure.tenant_id = tenant AND measure.id = ANY (made);
END
$$;
