-- Posts transactions on named grants: the one writer of credits_transaction but for credits_open.
-- Takes: a tenant, an array of credits_posting. Returns: one credits_outcome for each, in order. `outcome` is posted, exists (the key was
-- used before: `first_digest`), nothing_left, closed_before, not_due, or a refusal of credits_refusal or credits_closing_refusal.
-- Locks: the array's grants by id, all before the first write; then grants that a rollover goes to. Never: leaves part of a posting; lets
-- one item's refusal touch the others.
-- Plans are kept, because making one costs more than the call, and are first made for empty tables; the settings shut out what is only good
-- for small tables.
CREATE OR REPLACE FUNCTION credits_post(tenant uuid, postings jsonb)
RETURNS SETOF credits_outcome
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    -- Below this, one by one is as fast.
    MANY CONSTANT int := 6;
    items CONSTANT credits_posting[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::credits_posting, postings) item);
    item credits_posting;
BEGIN
    IF cardinality(items) > 1 THEN
        PERFORM credits_lock_grants(tenant, items);
    END IF;
    IF cardinality(items) > MANY THEN
        RETURN QUERY SELECT * FROM credits_post_set(tenant, items);
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;
    FOREACH item IN ARRAY items LOOP
        RETURN NEXT credits_post_item(tenant, item);
    END LOOP;
END
$$;
