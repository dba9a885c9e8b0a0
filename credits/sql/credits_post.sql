-- Posts transactions on named grants. credits_transaction is written by this function, credits_create_grants, and credits_roll_over where
-- the next period of a recurring grant is issued.
-- Takes: a tenant, an array of credits_posting.
-- Returns: one credits_outcome for each posting, in order. `outcome` is posted, exists (the key was used before: `first_digest` is the
-- first call's), nothing_left, closed_before, not_due, or an outcome of credits_posting_refusal or credits_closing_refusal. Each posting is
-- decided for itself: one that is refused leaves nothing behind and doesn't touch the others.
-- Steps; what stands further in is called by what stands above it:
--   1. credits_lock_posting_grants  locks the grants of all postings; not for one posting that can't roll over: it locks its own grant.
--   2. credits_post_array_if_plain  posts more than six at once: decides all of them, then credits_write_entries writes them with two
--                                   statements. Where one of them can't be posted so, it writes nothing.
--   3. credits_post_single          posts one; for each posting that step 2 hasn't posted. Locks the grant,
--        credits_expire_overdue_lines ends its overdue hold lines,
--        credits_posting_refusal      decides; of a closing credits_closing_refusal does,
--        credits_write_entry          inserts the transaction,
--        credits_write_events         writes its events, where somebody listens,
--        credits_follow_up            posts what follows from it: credit given back to a closed grant is debited again at once,
--          credits_roll_over            and what expired of a recurring grant is credited to the next period's grant.
--   4. credits_update_alerts        compares the customers' balances with their alerts, where somebody listens.
-- Locks, in this order:
--   1. grants by id, in an array before the first is decided; where one of them may roll over, the next period's grants with them;
--   2. under each grant's lock, its overdue hold lines;
--   3. where another call is inserting the same key, its entry in the unique index of idempotency keys;
--   4. the alerts of the customers' balances, by id.
-- The settings hold for every function called from here; why these, docs/performance.md says ("Plans that are kept").
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
    -- Called for its side effect: sets lock_timeout before the first statement that may wait.
    lock_timeout CONSTANT text := ledger_set_lock_timeout(postings);
    -- Up to this many, posting them one by one is as fast.
    ARRAY_FORM_ABOVE CONSTANT int := 6;
    items credits_posting[];
    item credits_posting;
    single record;
    is_posted boolean := false;
    may_roll_over boolean;
    has_listener boolean;
BEGIN
    -- Queries stand by themselves: PL/pgSQL starts an executor for each expression that has one (docs/performance.md).
    IF jsonb_array_length(postings) = 1 THEN
        items := ARRAY[jsonb_populate_record(NULL::credits_posting, postings -> 0)];
        may_roll_over := items[1].kind = 'expiry';
        IF items[1].type = 'CREDIT' THEN
            may_roll_over := EXISTS (
                SELECT FROM credits_grant WHERE tenant_id = tenant AND id = items[1].grant_id AND recurring_grant_id IS NOT NULL
            );
        END IF;
    ELSE
        items := ARRAY(SELECT sent FROM jsonb_populate_recordset(NULL::credits_posting, postings) sent);
    END IF;
    IF cardinality(items) > 1 OR may_roll_over THEN
        PERFORM credits_lock_posting_grants(tenant, items);
    END IF;
    IF cardinality(items) > ARRAY_FORM_ABOVE THEN
        RETURN QUERY SELECT * FROM credits_post_array_if_plain(tenant, items);
        is_posted := FOUND;
    END IF;
    IF NOT is_posted THEN
        FOREACH item IN ARRAY items LOOP
            single := credits_post_single(tenant, item);
            has_listener := coalesce(single.has_listener, has_listener);
            RETURN NEXT single.result;
        END LOOP;
    END IF;
    IF has_listener IS NULL THEN
        has_listener := EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant);
    END IF;
    IF has_listener THEN
        PERFORM credits_update_alerts(tenant, items[1].request_id, ARRAY(SELECT DISTINCT grant_id FROM unnest(items)));
    END IF;
END
$$;
