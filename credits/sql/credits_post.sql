-- Posts transactions on named grants. Only this function and credits_open_grants write credits_transaction.
-- Takes: a tenant, an array of credits_posting.
-- Returns: one credits_outcome for each posting, in order. `outcome` is posted, exists (the key was used before: `first_digest` is the
-- first call's), nothing_left, closed_before, not_due, or an outcome of credits_refusal or credits_closing_refusal. Each posting is decided
-- for itself: one that is refused leaves nothing behind and doesn't touch the others.
-- Steps:
--   credits_lock_grants      locks the grants of all postings; skipped for one posting that can't roll over: it locks its own grant.
--   credits_post_single      posts one: locks the grant, decides, updates the grant.
--     credits_write_entry    inserts the transaction.
--     credits_follow_up      posts what follows from it: credit given back to a closed grant is debited again at once.
--       credits_roll_over    credits the next period's grant with what expired of a recurring grant.
--   credits_post_array       posts more than six at once: decides all of them, then credits_write_entries writes them with two statements.
--                            Where one of them can't be posted so, it writes nothing, and all are posted one by one.
-- Locks, in this order: grants by id, in an array before the first is decided, and where one of them may roll over, the next period's
-- grants together with them; under each grant's lock, its overdue hold lines (credits_release_overdue); last, where another call is
-- inserting the same key, its entry in the unique index of idempotency keys; where somebody listens to events, the alerts of the
-- customers' balances (credits_check_balances).
-- The settings hold for every function called from here. Plans are kept for the life of a connection, perhaps from a time when the tables
-- were empty; with only index probes to choose from, they stay good as the tables grow (docs/performance.md).
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
    -- Up to this many, posting them one by one is as fast.
    ARRAY_FORM_ABOVE CONSTANT int := 6;
    items CONSTANT credits_posting[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::credits_posting, postings) item);
    item credits_posting;
    is_posted boolean := false;
BEGIN
    -- Postings gathered from several callers bring a shorter wait for locks (kernel/ledger/posting/statements.py).
    IF postings -> 0 ? 'lock_timeout_ms' THEN
        PERFORM set_config('lock_timeout', postings -> 0 ->> 'lock_timeout_ms', true);
    END IF;
    IF cardinality(items) > 1 OR items[1].kind = 'expiry' OR (items[1].type = 'CREDIT' AND EXISTS (
        SELECT FROM credits_grant WHERE tenant_id = tenant AND id = items[1].grant_id AND schedule_id IS NOT NULL
    )) THEN
        PERFORM credits_lock_grants(tenant, items);
    END IF;
    IF cardinality(items) > ARRAY_FORM_ABOVE THEN
        RETURN QUERY SELECT * FROM credits_post_array(tenant, items);
        is_posted := FOUND;
    END IF;
    IF NOT is_posted THEN
        FOREACH item IN ARRAY items LOOP
            RETURN NEXT credits_post_single(tenant, item);
        END LOOP;
    END IF;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM credits_check_balances(tenant, items[1].request_id, ARRAY(SELECT DISTINCT grant_id FROM unnest(items)));
    END IF;
END
$$;
