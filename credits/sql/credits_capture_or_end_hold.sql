-- Captures a part of a hold or all that is left of it, releases what is left, or expires it.
-- Takes: a tenant, an array of one credits_hold_end. Returns: one row: the hold after the call (`held` is what it still reserves,
-- `captured` what all captures took), and how much this capture took. `outcome` is posted, exists (an earlier capture has the key, or an
-- earlier call ended the hold the same way: `first_digest`), closed, exceeded, not_due or not_found.
-- Locks: the hold, then by id the grants of its lines and those that they may roll over to, because what is released of a grant past its
-- last day expires. The time is taken under these locks, so a call that waited past the hold's end finds all of it expired.
-- Never: captures a part of a hold of which another part has expired; ends a hold by a capture that is not final.
CREATE OR REPLACE FUNCTION credits_capture_or_end_hold(tenant uuid, items jsonb)
RETURNS TABLE (
    outcome text, id uuid, status text, held numeric, amount numeric, captured numeric, taken numeric, first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item credits_hold_end := jsonb_populate_record(NULL::credits_hold_end, items -> 0);
    locked record;
    hold credits_hold;
    earlier credits_holdcall;
    moment timestamptz;
    is_overdue boolean;
    reserved numeric;
    wanted numeric;
    ending text;
    hold_outcome text;
BEGIN
    item.final := coalesce(item.final, true);
    SELECT * INTO locked FROM credits_lock_hold(tenant, item.hold_id, item.customer_id);
    hold := locked.hold;
    moment := locked.moment;
    is_overdue := locked.is_overdue;
    SELECT coalesce(sum(line.remaining), 0) INTO reserved FROM credits_holdline line
    WHERE line.tenant_id = tenant AND line.hold_id = hold.id;
    SELECT * INTO earlier FROM credits_holdcall before
    WHERE before.tenant_id = tenant AND before.kind = item.kind AND before.idempotency_key = item.idempotency_key;
    IF earlier.id IS NULL AND item.idempotency_key IS NULL AND item.kind = 'captured' THEN
        SELECT * INTO earlier FROM credits_holdcall before
        WHERE before.tenant_id = tenant AND before.hold_id = hold.id AND before.kind = 'captured' AND before.is_final;
    END IF;
    -- An overdue hold can only expire, whatever the call asks for.
    ending := CASE WHEN is_overdue THEN 'expired' ELSE item.kind END;
    wanted := CASE WHEN ending = 'captured' THEN coalesce(item.amount, reserved) ELSE 0 END;
    hold_outcome := CASE
        WHEN hold.id IS NULL THEN 'not_found'
        WHEN earlier.id IS NOT NULL OR (hold.status = item.kind AND item.kind <> 'captured') THEN 'exists'
        WHEN hold.status <> 'active' OR (item.kind = 'captured' AND is_overdue) THEN 'closed'
        WHEN item.kind = 'expired' AND NOT is_overdue THEN 'not_due'
        WHEN wanted > reserved THEN 'exceeded'
        ELSE 'posted'
    END;
    IF hold_outcome = 'posted' THEN
        PERFORM credits_expire_overdue_lines(tenant, grant_row, moment, item.actor, item.request_id)
        FROM unnest(locked.hold_grants) grant_row WHERE grant_row.held > 0;
        PERFORM credits_capture_or_end_lines(tenant, item, hold, ending, wanted, moment);
        UPDATE credits_hold candidate
        SET captured = candidate.captured + wanted,
            status = CASE WHEN item.kind <> 'captured' OR item.final THEN ending ELSE candidate.status END,
            closed_at = CASE WHEN item.kind <> 'captured' OR item.final THEN moment END,
            close_digest = CASE WHEN item.kind <> 'captured' OR item.final THEN item.facts_digest END
        WHERE candidate.tenant_id = tenant AND candidate.id = hold.id
        RETURNING * INTO hold;
        reserved := CASE hold.status WHEN 'active' THEN reserved - wanted ELSE 0 END;
        IF ending <> 'expired' THEN
            INSERT INTO credits_holdcall (
                tenant_id, id, hold_id, kind, amount, captured_after, expires_before, expires_at, is_final, reason, invoice_id,
                billing_run_id,
                idempotency_key, facts_digest, occurred_at, created_at, actor, request_id)
            VALUES (
                tenant, ledger_new_id(), hold.id, ending, wanted, hold.captured, hold.expires_at, hold.expires_at, item.final,
                coalesce(item.reason, ''), coalesce(item.invoice_id, ''), coalesce(item.billing_run_id, ''), item.idempotency_key,
                item.facts_digest, moment, moment, item.actor, item.request_id)
            RETURNING * INTO earlier;
        END IF;
        IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
            PERFORM credits_write_hold_event(tenant, item.request_id, hold.id, hold.customer_id, ending, moment);
        END IF;
    END IF;
    RETURN QUERY
    SELECT hold_outcome AS outcome, hold.id,
           CASE WHEN is_overdue AND hold.status = 'active' THEN 'expired' ELSE hold.status::text END AS status,
           CASE WHEN is_overdue THEN 0 ELSE reserved END AS held, hold.amount, hold.captured, earlier.amount AS taken,
           coalesce(earlier.facts_digest, hold.close_digest) AS first_digest;
END
$$;
