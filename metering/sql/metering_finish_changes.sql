-- Brings everything that follows a transaction's status and costs up to date, after a call has changed them.
--
-- Takes: the tenant, whether it has spending rules, the transactions that were asked for, what changed, the changes to the sums, and the
-- request id of the call.
-- Returns: nothing.
-- Locks: the counters that have an entry of the transactions, which the caller has locked; then the sums (metering_roll_up).
-- Never: changes a transaction or a cost.
CREATE OR REPLACE FUNCTION metering_finish_changes(
    tenant uuid, has_rules boolean, transactions uuid[], changes metering_change[], deltas metering_delta[], request text
)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF has_rules THEN
        PERFORM rules_recount(tenant, transactions, request);
    END IF;
    IF cardinality(deltas) > 0 THEN
        PERFORM metering_roll_up(tenant, deltas);
    END IF;
    INSERT INTO metering_usagenote (id, tenant_id, transaction_id)
    SELECT gen_random_uuid(), tenant, change.transaction_id FROM unnest(changes) change;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM metering_write_events(tenant, request, changes);
    END IF;
END
$$;
