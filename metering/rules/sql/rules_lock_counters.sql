-- Locks the counters that measures need, and makes those that don't exist yet. A counter (rules_rulecounter) is the sum of one measure for
-- one group; rules_enter_into_counters changes it.
-- Takes: the tenant, what is measured, and the transaction that has entries already, which its further round changes (or null).
-- Returns: what is measured with the counters' ids; without one where the measure has too many groups.
-- Locks: as rules_insert_counters says, then the counters by id, with those of the transaction's entries: locked after the others, they
-- would be out of order. Looks again afterwards: the job that deletes unused counters may have come in between. Never: changes a counter.
CREATE OR REPLACE FUNCTION rules_lock_counters(tenant uuid, measured rules_measured[], counted uuid)
RETURNS rules_measured[]
LANGUAGE plpgsql
AS $$
DECLARE
    most_groups CONSTANT integer := 100000;
    located rules_measured[] := measured;
    wanted uuid[];
    locked integer;
BEGIN
    LOOP
        located := rules_find_counters(tenant, located);
        IF EXISTS (SELECT FROM unnest(located) AS one WHERE one.counter_id IS NULL) THEN
            PERFORM rules_insert_counters(tenant, located, most_groups);
            located := rules_find_counters(tenant, located);
        END IF;
        wanted := ARRAY(SELECT DISTINCT one.counter_id FROM unnest(located) AS one WHERE one.counter_id IS NOT NULL);
        IF counted IS NOT NULL THEN
            wanted := ARRAY(
                SELECT unnest(wanted) UNION
                SELECT entry.counter_id FROM rules_rulecounterentry AS entry
                WHERE entry.tenant_id = tenant AND entry.transaction_id = counted
            );
        END IF;
        SELECT count(*) INTO locked FROM (
            SELECT counter.id FROM rules_rulecounter AS counter
            WHERE counter.tenant_id = tenant AND counter.id = ANY (wanted)
            ORDER BY counter.id
            FOR NO KEY UPDATE
        ) AS taken;
        EXIT WHEN locked = cardinality(wanted);
    END LOOP;
    RETURN located;
END
$$;
