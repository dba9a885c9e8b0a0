-- Moves the windows of a tenant's counters to the present, and deletes entries that left them and counters that are empty.
-- Takes: the tenant, the counter after which to go on (null: from the first), and how many counters to look at and rows to delete of
-- each.
-- Returns: the last counter it looked at; null where there was none after that.
-- Locks: the tenant's rules (shared, as a posting), the measures that may lose a group by id, then counters by id, passing over those
-- that a decision holds. Never: changes what a window holds.
CREATE OR REPLACE FUNCTION rules_clean_counters(tenant uuid, behind uuid, at_most integer)
RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    counter rules_rulecounter;
    measure rules_rulemeasure;
    last uuid;
    tail timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rules_lock_number(tenant));
    PERFORM stored.id FROM rules_rulemeasure AS stored
    WHERE stored.tenant_id = tenant AND stored.is_counting
    ORDER BY stored.id FOR NO KEY UPDATE;
    FOR counter IN
        SELECT * FROM rules_rulecounter AS seen
        WHERE seen.tenant_id = tenant AND (behind IS NULL OR seen.id > behind)
        ORDER BY seen.id LIMIT at_most
        FOR NO KEY UPDATE SKIP LOCKED
    LOOP
        last := counter.id;
        SELECT * INTO measure FROM rules_rulemeasure AS seen WHERE seen.tenant_id = tenant AND seen.id = counter.measure_id;
        CONTINUE WHEN NOT measure.is_counting;
        tail := greatest(counter.tail_at, (rules_window(measure, greatest(ledger_now(), counter.last_at))).tail_at);
        UPDATE rules_rulecounter AS moved
        SET used = rules_sum_after_tail(tenant, counter, tail), tail_at = tail, last_at = greatest(counter.last_at, ledger_now())
        WHERE moved.tenant_id = tenant AND moved.id = counter.id AND tail > counter.tail_at;
        DELETE FROM rules_rulecounterentry AS entry
        WHERE entry.tenant_id = tenant AND entry.id IN (
            SELECT old.id FROM rules_rulecounterentry AS old
            WHERE old.tenant_id = tenant AND old.counter_id = counter.id AND old.at <= tail
            ORDER BY old.at LIMIT at_most
        );
        DELETE FROM rules_rulecounter AS empty
        WHERE empty.tenant_id = tenant AND empty.id = counter.id AND NOT EXISTS (
            SELECT FROM rules_rulecounterentry AS entry WHERE entry.tenant_id = tenant AND entry.counter_id = counter.id
        );
        IF FOUND THEN
            UPDATE rules_rulemeasure AS stored SET groups = stored.groups - 1 WHERE stored.tenant_id = tenant AND stored.id = measure.id;
        END IF;
    END LOOP;
    RETURN last;
END
$$;
