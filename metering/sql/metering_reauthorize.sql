-- Begins a further round of authorization of transactions: their callers must pay for what they were authorized for. One array, one
-- database transaction.
-- Takes: the tenant, and a JSON array of metering_reauthorization.
-- Returns: for each, in order, a metering_amend_outcome whose `outcome` is
--   posted        the round was decided, or waits; `status` is the transaction's, `id` the round's
--   exists        the key was used before, or the newest round asked for the same: `id` and `first_digest` are that round's
--   not_found     the tenant has no such transaction
--   completed     the transaction is over; nothing was written
--   wrong_status  it isn't authorized; `status` is the transaction's
--   in_progress   an earlier payment was presented to the resource that it pays, or collected; `id` is that payment's
-- Locks: the tenant's rules, shared; the transactions by id; the counters of its spending rules; the money that pays; the sums
-- (metering_roll_up).
-- Never: writes anything of an item that isn't `posted`; holds money for a round that isn't authorized.
CREATE OR REPLACE FUNCTION metering_reauthorize(tenant uuid, requests jsonb)
RETURNS SETOF metering_amend_outcome
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    items CONSTANT metering_reauthorization[] := ARRAY(
        SELECT item FROM jsonb_populate_recordset(NULL::metering_reauthorization, requests) item
    );
    item metering_reauthorization;
    amended metering_amended;
    deltas metering_delta[] := '{}';
    changes metering_change[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rules_lock_number(tenant));
    PERFORM stored.id
    FROM metering_transaction stored
    WHERE stored.tenant_id = tenant AND stored.id = ANY (ARRAY(SELECT reauthorization.transaction_id FROM unnest(items) reauthorization))
    ORDER BY stored.id
    FOR NO KEY UPDATE;
    FOREACH item IN ARRAY items LOOP
        amended := metering_reauthorize_single(tenant, item);
        deltas := deltas || amended.deltas;
        IF (amended.reply).outcome = 'posted' THEN
            changes := changes || (item.transaction_id, (amended.reply).created_at, (amended.reply).status, false)::metering_change;
        END IF;
        RETURN NEXT amended.reply;
    END LOOP;
    PERFORM metering_finish_changes(
        tenant, EXISTS (SELECT FROM metering_policy policy WHERE policy.tenant_id = tenant AND policy.has_rules),
        ARRAY(SELECT change.transaction_id FROM unnest(changes) change), changes, deltas, items[1].request_id
    );
END
$$;
