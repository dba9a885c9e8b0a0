-- Pays for a call that was recorded when it was over, of a tenant that holds estimates: what it cost is debited at once. It has been spent,
-- so what credits and the wallet don't cover denies nothing and stays unpaid.
-- Takes: the tenant, the posting, whose rows are written, and its moment. Returns: the changes to the sums.
-- Locks: as metering_capture_or_release_payments; the caller has locked the counters of the tenant's rules. Never: holds anything.
CREATE OR REPLACE FUNCTION metering_pay_finished(tenant uuid, item metering_posting, moment timestamptz)
RETURNS metering_delta[]
LANGUAGE plpgsql
AS $$
DECLARE
    owner metering_transaction;
    ended metering_amendment;
    move metering_new_move;
BEGIN
    SELECT * INTO owner FROM metering_transaction stored WHERE stored.tenant_id = tenant AND stored.id = item.id;
    move.to_status := owner.status;
    move.call_outcome := owner.outcome;
    ended.transaction_id := owner.id;
    ended.actor := item.actor;
    ended.request_id := item.request_id;
    ended.facts_digest := coalesce((item.fact).facts_digest, item.ending_digest);
    ended.occurred_at := owner.occurred_at;
    ended.move := move;
    RETURN metering_capture_or_release_payments(tenant, owner, ended, moment, true);
END
$$;
