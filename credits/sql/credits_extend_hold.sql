-- Gives a hold a later end.
-- Takes: a tenant, an array of one credits_hold_extension. Returns: one row: the hold after the call, and `latest`, the last moment that
-- the policy allows. `outcome` is posted, exists (the key was used before: `first_digest`), closed, not_later, too_long or not_found.
-- Locks: as credits_capture_or_end_hold, because a call that has locked a grant decides by its lines which of them are overdue.
-- Never: makes a hold shorter; changes what it reserves.
CREATE OR REPLACE FUNCTION credits_extend_hold(tenant uuid, items jsonb)
RETURNS TABLE (
    outcome text, id uuid, status text, held numeric, expires_at timestamp with time zone, latest timestamp with time zone,
    first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item CONSTANT credits_hold_extension := jsonb_populate_record(NULL::credits_hold_extension, items -> 0);
    locked record;
    hold credits_hold;
    earlier credits_holdcall;
    moment timestamptz;
    last_moment timestamptz;
    end_before timestamptz;
    is_overdue boolean;
    hold_outcome text;
BEGIN
    SELECT * INTO locked FROM credits_lock_hold(tenant, item.hold_id, item.customer_id);
    hold := locked.hold;
    moment := locked.moment;
    is_overdue := locked.is_overdue;
    SELECT * INTO earlier FROM credits_holdcall before
    WHERE before.tenant_id = tenant AND before.kind = 'extended' AND before.idempotency_key = item.idempotency_key;
    last_moment := credits_longest_hold(tenant, hold.created_at);
    hold_outcome := CASE
        WHEN hold.id IS NULL THEN 'not_found'
        WHEN earlier.id IS NOT NULL THEN 'exists'
        WHEN hold.status <> 'active' OR is_overdue THEN 'closed'
        WHEN item.expires_at <= hold.expires_at THEN 'not_later'
        WHEN item.expires_at > last_moment THEN 'too_long'
        ELSE 'posted'
    END;
    IF hold_outcome = 'posted' THEN
        end_before := hold.expires_at;
        UPDATE credits_hold candidate SET expires_at = item.expires_at WHERE candidate.tenant_id = tenant AND candidate.id = hold.id
        RETURNING * INTO hold;
        UPDATE credits_holdline line SET expires_at = item.expires_at WHERE line.tenant_id = tenant AND line.hold_id = hold.id;
        INSERT INTO credits_holdcall (
            tenant_id, id, hold_id, kind, amount, captured_after, expires_before, expires_at, is_final, reason, invoice_id, billing_run_id,
            idempotency_key, facts_digest, occurred_at, created_at, actor, request_id)
        VALUES (
            tenant, ledger_new_id(), hold.id, 'extended', 0, hold.captured, end_before, hold.expires_at, false, '', '', '',
            item.idempotency_key,
            item.facts_digest, moment, moment, item.actor, item.request_id);
        IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
            PERFORM credits_write_hold_event(tenant, item.request_id, hold.id, hold.customer_id, 'extended', moment);
        END IF;
    END IF;
    RETURN QUERY
    SELECT hold_outcome AS outcome, hold.id, CASE WHEN is_overdue THEN 'expired' ELSE hold.status::text END AS status,
        CASE WHEN is_overdue THEN 0 ELSE (
            SELECT coalesce(sum(line.remaining), 0) FROM credits_holdline line WHERE line.tenant_id = tenant AND line.hold_id = hold.id
        ) END AS held,
        hold.expires_at, last_moment AS latest, earlier.facts_digest AS first_digest;
END
$$;
