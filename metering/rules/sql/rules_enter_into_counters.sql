-- Enters a transaction into counters that were read: an entry in each, dated when it was let through, in place of an earlier one.
--
-- Takes: the tenant, the transaction, what is measured (as rules_read_counters returns it), the entries' date, the moment, and the
-- posting's request id.
-- Returns: nothing.
-- Locks: the counters, which the caller has locked.
-- Never: enters what is dated before the window.
CREATE OR REPLACE FUNCTION rules_enter_into_counters(
    tenant uuid, transaction uuid, measured rules_measured[], dated timestamptz, moment timestamptz, request text
)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO rules_rulecounterentry AS stored (id, tenant_id, counter_id, transaction_id, at, amount)
    SELECT ledger_new_id(), tenant, one.counter_id, transaction, dated, coalesce(one.amount, 0)
    FROM unnest(measured) AS one
    WHERE one.counter_id IS NOT NULL AND dated > one.tail_at
    ON CONFLICT (tenant_id, transaction_id, counter_id) DO UPDATE SET at = excluded.at, amount = excluded.amount
    WHERE stored.tenant_id = tenant;
    UPDATE rules_rulecounter AS counter
    SET used = one.used + CASE WHEN dated > one.tail_at THEN coalesce(one.amount, 0) ELSE 0 END,
        tail_at = one.tail_at, last_at = greatest(counter.last_at, moment)
    FROM unnest(measured) AS one
    WHERE counter.tenant_id = tenant AND counter.id = one.counter_id;
    IF EXISTS (SELECT FROM events_listener AS listener WHERE listener.tenant_id = tenant) THEN
        PERFORM rules_report_limits(
            tenant, request, one.measure_id, one.group_key, one.used, one.used + coalesce(one.amount, 0), one.tail_at, moment, moment
        )
        FROM unnest(measured) AS one
        WHERE one.counter_id IS NOT NULL AND dated > one.tail_at;
    END IF;
END
$$;
