-- Adds to transactions that exist: a move to another status, a fact, a cost, or several of these at once. One array, one database
-- transaction.
-- Takes: the tenant, and a JSON array of metering_amendment.
-- Returns: for each item, in order, a metering_amend_outcome whose `outcome` is
--   posted              the rows are written
--   exists              the idempotency key was used before: the ids and `first_digest` are those of the first call's rows,
--                       `id` is the first of them
--   not_found           the tenant has no such transaction
--   wrong_status        the status doesn't allow the move; `status` is the transaction's
--   out_of_bounds       `occurred_at` is further from the present than the tenant's policy allows
--   not_stale           a cancellation of stale transactions finds that this one hasn't been authorized for so long, or that a
--                       payment of it was presented (any other cancellation then has the outcome `presented`)
--   not_open            denied and cancelled transactions take no facts and no costs
--   cost_not_found, cost_of_another, already_superseded, cost_of_payment  (metering_choose_superseded_costs)
--   presented           a payment of a 402 was presented to the resource that it pays, which may still collect it; `id` is the payment
--   needs_person        a spending rule leaves the move to a person, and nobody has decided
-- Locks: the tenant's rules, shared; all transactions of the array by id, before anything is decided; then the counters of its spending
-- rules, by id; what their payments take (paying_lock_counters_and_money); then the sums (metering_roll_up).
-- Never: leaves anything of an item that isn't `posted`.
CREATE OR REPLACE FUNCTION metering_amend(tenant uuid, amendments jsonb)
RETURNS SETOF metering_amend_outcome
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
    items CONSTANT metering_amendment[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::metering_amendment, amendments) item);
    transaction_ids CONSTANT uuid[] := ARRAY(SELECT item.transaction_id FROM unnest(items) item);
    item metering_amendment;
    amended metering_amended;
    reply metering_amend_outcome;
    deltas metering_delta[] := '{}';
    changes metering_change[] := '{}';
    policy metering_policy;
    pays boolean;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(rules_lock_number(tenant));
    SELECT * INTO policy FROM metering_policy policy_row WHERE policy_row.tenant_id = tenant;
    -- What a file says to have happened was paid elsewhere.
    policy.holds_estimates := coalesce(policy.holds_estimates, false) AND items[1].request_id NOT LIKE 'run:%';
    policy.has_rules := coalesce(policy.has_rules, false);
    SELECT policy.holds_estimates OR bool_or(locked.requires_payment) INTO pays
    FROM (
        SELECT stored.requires_payment
        FROM metering_transaction stored
        WHERE stored.tenant_id = tenant AND stored.id = ANY (transaction_ids)
        ORDER BY stored.id
        FOR NO KEY UPDATE
    ) AS locked;
    IF pays THEN
        PERFORM paying_lock_counters_and_money(tenant, transaction_ids, policy.has_rules);
    END IF;

    FOREACH item IN ARRAY items LOOP
        reply := metering_find_amendment(tenant, item.idempotency_key);
        IF reply.outcome IS NULL THEN
            amended := metering_amend_single(tenant, item, policy);
            reply := amended.reply;
            deltas := deltas || amended.deltas;
        END IF;
        IF reply.outcome = 'posted' THEN
            changes := changes || (
                item.transaction_id, reply.created_at, CASE WHEN (item.move).id IS NOT NULL THEN reply.status END,
                (item.move).stale_after IS NOT NULL
            )::metering_change;
        END IF;
        RETURN NEXT reply;
    END LOOP;

    PERFORM metering_finish_changes(tenant, policy.has_rules, transaction_ids, changes, deltas, items[1].request_id);
END
$$;
