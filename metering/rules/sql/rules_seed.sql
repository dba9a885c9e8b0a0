-- Counts what was let through before a measure began, or leaves it to the job (rules_seed_more) if that is too much for one call.
-- Takes: the tenant, the measure, and how many transactions may be counted at once.
-- Returns: nothing.
-- Locks: the measure's counters. The caller holds the tenant's rules alone (the exclusive advisory lock of rules_lock_number).
-- Never: counts a transaction twice.
CREATE OR REPLACE FUNCTION rules_seed(tenant uuid, begun uuid, most_rows integer)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    measure rules_rulemeasure;
    recent uuid[];
BEGIN
    SELECT * INTO measure FROM rules_rulemeasure AS seen WHERE seen.tenant_id = tenant AND seen.id = begun;
    recent := rules_list_recent(tenant, (rules_window(measure, ledger_now())).tail_at, most_rows + 1);
    IF cardinality(recent) <= most_rows THEN
        PERFORM rules_seed_page(tenant, measure, recent);
        RETURN;
    END IF;
    UPDATE rules_rulemeasure AS stored SET is_seeding = true, seeded_down_to = ledger_now()
    WHERE stored.tenant_id = tenant AND stored.id = begun;
END
$$;
