-- Records new transactions with their costs: one array, one database transaction.
-- Takes: the tenant, and a JSON array of metering_posting; two or more of them also as a JSON object (metering_posting_columns).
-- Returns: for each posting, in order, a metering_outcome whose `outcome` is
--   posted         a new row; what the caller can't know is in the other columns
--   exists         the idempotency key was used before, in the ledger or earlier in the array: `id` and `first_digest` are the first row's
--   out_of_bounds  `occurred_at` is further from the present than the tenant's policy allows
--   unknown_agent  the agent named by id isn't the tenant's, and no name was sent instead
--   needs_order    the tenant has spending rules, or somebody is changing them, or it holds estimates: nothing was written, and
--                  metering_post_in_order takes it. So a call for several tenants never waits for a counter or a wallet of one of them.
-- Locks: the table of transactions in the mode of every writer, before the clock is read, so that a read of the past knows of this
-- call (kernel/ledger/past_reads.py); the tenant's rules, shared, if nobody changes them. Waits only for another call that is inserting
-- the same key, service, agent or trace; new names and keys are inserted in sorted order; the sums (metering_roll_up) come last. Where
-- another call takes a key or a trace's external id between our look and our insert, the unique constraint ends the call with nothing
-- written, and the caller repeats it.
-- Never: writes a part of a posting, changes a row that exists other than the sums.
-- Steps; what stands further in is called by what stands above it:
--   1. metering_post_single_if_plain  posts one that names only what exists, as nearly all do; faster than an array of one
--                                     (docs/performance.md). Where it can't, it writes nothing, and step 2 follows.
--        metering_decide_status         decides the first status,
--        metering_insert_parts          writes the step of the status, the reports and the costs,
--        metering_roll_up               adds to the sums,
--        metering_write_events          writes the events, where somebody listens.
--   2. metering_post_array            posts all others.
--        metering_resolve               finds used keys, services, agents and traces, and decides the first status,
--        metering_insert_names          inserts the services, agents and traces that don't exist yet; metering_resolve then looks again,
--        metering_roll_up, metering_write_events  as in step 1.
-- Both call the same decision functions, and tests/metering/test_single_and_array_forms.py compares them.
CREATE OR REPLACE FUNCTION metering_post(tenant uuid, postings jsonb)
RETURNS SETOF metering_outcome
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    -- Called for its side effect: sets lock_timeout before the first statement that may wait.
    lock_timeout CONSTANT text := ledger_set_lock_timeout(postings);
    sent CONSTANT integer := jsonb_array_length(CASE jsonb_typeof(postings) WHEN 'object' THEN postings -> 'id' ELSE postings END);
    single metering_outcome;
BEGIN
    LOCK TABLE metering_transaction IN ROW EXCLUSIVE MODE;
    IF NOT pg_try_advisory_xact_lock_shared(rules_lock_number(tenant)) THEN
        single.outcome := 'needs_order';
        RETURN QUERY SELECT (single).* FROM generate_series(1, sent);
        RETURN;
    END IF;
    -- The single form writes the trace after the transaction that refers to it, in one statement. Citus makes two statements of it.
    IF sent = 1 AND current_setting('citus.version', true) IS NULL THEN
        single := metering_post_single_if_plain(tenant, jsonb_populate_record(NULL::metering_posting, postings -> 0), false);
        IF single.outcome IS NOT NULL THEN
            RETURN NEXT single;
            RETURN;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND (policy.has_rules OR policy.holds_estimates)) THEN
        single.outcome := 'needs_order';
        RETURN QUERY SELECT (single).* FROM generate_series(1, sent);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT posted.*
    FROM metering_post_array(tenant, CASE jsonb_typeof(postings)
        WHEN 'object' THEN metering_read_columns(postings)
        ELSE ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::metering_posting, postings) item)
    END) posted;
END
$$;
