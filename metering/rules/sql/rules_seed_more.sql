-- Goes on counting what was let through before a measure began: the newest transactions that were not looked at yet.
-- Takes: the tenant, the measure, and how many transactions to look at.
-- Returns: whether it is done.
-- Locks: the tenant's rules (shared, as a posting), the measure, the transactions by id, then their counters. A transaction that is changed
-- at the same time is counted before or after the change. Never: counts a transaction twice.
CREATE OR REPLACE FUNCTION rules_seed_more(tenant uuid, begun uuid, at_most integer)
RETURNS boolean
LANGUAGE plpgsql
AS $$
DECLARE
    measure rules_rulemeasure;
    tail timestamptz;
    edge timestamptz;
    page uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rules_lock_number(tenant));
    SELECT * INTO measure FROM rules_rulemeasure AS seen WHERE seen.tenant_id = tenant AND seen.id = begun FOR NO KEY UPDATE;
    IF NOT measure.is_seeding THEN
        RETURN true;
    END IF;
    tail := (rules_window(measure, ledger_now())).tail_at - interval '10 minutes';
    -- All that have the edge's moment belong to the page: an array is recorded at one moment.
    SELECT owner.created_at INTO edge FROM metering_transaction AS owner
    WHERE owner.tenant_id = tenant AND owner.created_at < measure.seeded_down_to AND owner.created_at > tail
    ORDER BY owner.created_at DESC, owner.id DESC
    OFFSET at_most - 1 LIMIT 1;
    page := CASE
        WHEN edge IS NULL THEN ARRAY(
            SELECT owner.id FROM metering_transaction AS owner
            WHERE owner.tenant_id = tenant AND owner.created_at < measure.seeded_down_to AND owner.created_at > tail
        ) || rules_list_late(tenant, tail)
        ELSE ARRAY(
            SELECT owner.id FROM metering_transaction AS owner
            WHERE owner.tenant_id = tenant AND owner.created_at < measure.seeded_down_to AND owner.created_at >= edge
        )
    END;
    PERFORM owner.id FROM metering_transaction AS owner
    WHERE owner.tenant_id = tenant AND owner.id = ANY (page)
    ORDER BY owner.id
    FOR NO KEY UPDATE;
    PERFORM rules_seed_page(tenant, measure, page);
    UPDATE rules_rulemeasure AS stored
    SET seeded_down_to = coalesce(edge, stored.seeded_down_to), is_seeding = edge IS NOT NULL
    WHERE stored.tenant_id = tenant AND stored.id = begun;
    PERFORM rules_mark_seeding(tenant);
    RETURN edge IS NULL;
END
$$;
