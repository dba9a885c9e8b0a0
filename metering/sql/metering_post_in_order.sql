-- Records new transactions one by one, in their order, so that each is decided on what those before it have spent: the form of
-- metering_post for a tenant that has spending rules, or whose rules are being changed, or that holds estimates. It may wait for these.
-- Takes: the tenant, and its postings as metering_post takes them.
-- Returns: as metering_post, but never `needs_order`.
-- Locks: the table of transactions in the mode of every writer; the tenant's rules, shared; then the counters of all postings, by id; the
-- grants and wallets that pay, by id; then as metering_post says. The sums come last.
-- Never: writes a part of a posting, or counts or pays one that is denied.
CREATE OR REPLACE FUNCTION metering_post_in_order(tenant uuid, postings jsonb)
RETURNS SETOF metering_outcome
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
    items CONSTANT metering_posting[] := CASE jsonb_typeof(postings)
        WHEN 'object' THEN metering_read_columns(postings)
        ELSE ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::metering_posting, postings) item)
    END;
    resolved metering_resolution[];
    posted metering_outcome;
    deltas metering_delta[] := '{}';
    changes metering_change[] := '{}';
    policy metering_policy;
    finished uuid[] := '{}';
BEGIN
    LOCK TABLE metering_transaction IN ROW EXCLUSIVE MODE;
    PERFORM pg_advisory_xact_lock_shared(rules_lock_number(tenant));
    SELECT * INTO policy FROM metering_policy policy_row WHERE policy_row.tenant_id = tenant;
    IF (policy.has_rules OR policy.holds_estimates) IS NOT TRUE THEN
        RETURN QUERY SELECT array_outcome.* FROM metering_post_array(tenant, items) array_outcome;
        RETURN;
    END IF;
    resolved := metering_resolve(tenant, items);
    IF EXISTS (SELECT FROM unnest(resolved) WHERE posting_outcome = 'unnamed') THEN
        PERFORM metering_insert_names(tenant, items, resolved);
        resolved := metering_resolve(tenant, items);
    END IF;
    IF cardinality(items) > 1 THEN
        PERFORM metering_lock_counters(tenant, items, resolved);
        IF policy.holds_estimates THEN
            PERFORM metering_lock_money(tenant, items, resolved);
        END IF;
    END IF;
    FOR ordinal IN 1 .. cardinality(items) LOOP
        posted := NULL;
        IF resolved[ordinal].posting_outcome = 'posted' THEN
            posted := metering_post_single_if_plain(tenant, items[ordinal], true);
        END IF;
        IF posted.outcome IS NULL THEN
            posted := metering_refused_outcome(tenant, items[ordinal], resolved[ordinal]);
        ELSE
            deltas := deltas || metering_new_deltas(
                coalesce(items[ordinal].occurred_at, posted.created_at), posted.service_id, posted.agent_id, posted.status,
                items[ordinal].call_outcome, metering_costs_to_insert(posted.status, items[ordinal].costs)
            );
            IF policy.holds_estimates AND posted.status = 'completed' AND items[ordinal].status IS NULL THEN
                deltas := deltas || metering_pay_finished(tenant, items[ordinal], posted.created_at);
                posted.requires_payment := EXISTS (
                    SELECT FROM metering_transaction stored
                    WHERE stored.tenant_id = tenant AND stored.id = posted.id AND stored.requires_payment
                );
                finished := finished || posted.id;
            END IF;
            changes := changes || (posted.id, posted.created_at, posted.status, false)::metering_change;
        END IF;
        RETURN NEXT posted;
    END LOOP;
    IF policy.has_rules AND finished <> '{}' THEN
        PERFORM rules_recount(tenant, finished, items[1].request_id);
    END IF;
    IF cardinality(deltas) > 0 THEN
        PERFORM metering_roll_up(tenant, deltas);
    END IF;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM metering_write_events(tenant, items[1].request_id, changes);
    END IF;
END
$$;
