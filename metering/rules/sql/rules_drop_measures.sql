-- Drops the sums of measures that no active rule has needed for a day.
-- Takes: the tenant, who drops them, and how many rows may be deleted.
-- Returns: how many were deleted; fewer than may be means that nothing is left to drop.
-- Locks: the tenant's rules, alone. Never: drops what a rule needs; a rule that needs the measure again counts the history anew.
CREATE OR REPLACE FUNCTION rules_drop_measures(tenant uuid, actor text, at_most integer)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    retired uuid[];
    gone integer;
    counters integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(rules_lock_number(tenant));
    UPDATE rules_rulemeasure AS measure SET is_counting = false, is_seeding = false
    WHERE measure.tenant_id = tenant AND measure.is_counting AND measure.retire_at <= ledger_now();
    retired := ARRAY(SELECT measure.id FROM rules_rulemeasure AS measure WHERE measure.tenant_id = tenant AND NOT measure.is_counting);
    DELETE FROM rules_rulecounterentry AS entry
    WHERE entry.tenant_id = tenant AND entry.id IN (
        SELECT old.id FROM rules_rulecounterentry AS old
        JOIN rules_rulecounter AS counter ON counter.tenant_id = tenant AND counter.id = old.counter_id
        WHERE old.tenant_id = tenant AND counter.measure_id = ANY (retired)
        LIMIT at_most
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF gone < at_most THEN
        DELETE FROM rules_rulecounter AS counter
        WHERE counter.tenant_id = tenant AND counter.id IN (
            SELECT old.id FROM rules_rulecounter AS old
            WHERE old.tenant_id = tenant AND old.measure_id = ANY (retired)
            LIMIT at_most - gone
        );
        GET DIAGNOSTICS counters = ROW_COUNT;
    END IF;
    UPDATE rules_rulemeasure AS measure SET groups = (
        SELECT count(*) FROM rules_rulecounter AS counter WHERE counter.tenant_id = tenant AND counter.measure_id = measure.id
    )
    WHERE measure.tenant_id = tenant AND measure.id = ANY (retired) AND measure.groups > 0;
    PERFORM rules_mark_policy(tenant, actor);
    RETURN gone + counters;
END
$$;
