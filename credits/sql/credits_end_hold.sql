-- Ends a hold: captures all or part of it and releases the rest, releases all of it, or expires it.
-- Takes: a tenant, an array of one credits_hold_end. Returns: one row; `held` is what the hold still reserved, `captured` what an
-- earlier call captured of its `amount`. `outcome` is posted, exists (an earlier call ended it the same way: `first_digest`), closed,
-- exceeded, not_due or not_found.
-- Locks: the hold, then by id the grants of its lines and those that they may roll over to, because what is released of a grant past its
-- last day expires. The time is taken under these locks, so a call that waited past the hold's end finds all of it expired.
-- Never: captures a part of a hold of which another part has expired.
CREATE OR REPLACE FUNCTION credits_end_hold(tenant uuid, postings jsonb)
RETURNS TABLE (outcome text, id uuid, status text, held numeric, amount numeric, captured numeric, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item CONSTANT credits_hold_end := jsonb_populate_record(NULL::credits_hold_end, postings -> 0);
    hold credits_hold;
    reserved_on uuid[];
    bearers credits_grant[];
    moment timestamptz;
    is_overdue boolean;
    reserved numeric;
    wanted numeric;
    ending text;
    decided text;
BEGIN
    SELECT * INTO hold FROM credits_hold candidate
    WHERE candidate.tenant_id = tenant AND candidate.id = item.hold_id
      AND candidate.customer_id = coalesce(item.customer_id, candidate.customer_id)
    FOR NO KEY UPDATE;
    -- The lines of a hold never change their grants.
    reserved_on := ARRAY(SELECT line.grant_id FROM credits_holdline line WHERE line.tenant_id = tenant AND line.hold_id = hold.id);
    bearers := ARRAY(
        SELECT account FROM credits_grant account
        WHERE account.tenant_id = tenant AND account.id = ANY (reserved_on || credits_later_periods(tenant, reserved_on))
        ORDER BY account.id
        FOR NO KEY UPDATE
    );
    moment := credits_now();
    SELECT coalesce(sum(line.remaining), 0) INTO reserved FROM credits_holdline line
    WHERE line.tenant_id = tenant AND line.hold_id = hold.id;
    -- An overdue hold can only expire, whatever the call asks for. A line that expired already decides it, even if the clock has since
    -- stepped back before the hold's end.
    is_overdue := hold.expires_at <= moment OR EXISTS (
        SELECT FROM credits_holdentry entry WHERE entry.tenant_id = tenant AND entry.hold_id = hold.id AND entry.kind = 'expired'
    );
    ending := CASE WHEN is_overdue THEN 'expired' ELSE item.kind END;
    wanted := CASE WHEN ending = 'captured' THEN coalesce(item.amount, reserved) ELSE 0 END;
    decided := CASE
        WHEN hold.id IS NULL THEN 'not_found'
        WHEN hold.status <> 'active' AND hold.status = item.kind THEN 'exists'
        WHEN hold.status <> 'active' OR (item.kind = 'captured' AND is_overdue) THEN 'closed'
        WHEN item.kind = 'expired' AND NOT is_overdue THEN 'not_due'
        WHEN wanted > reserved THEN 'exceeded'
        ELSE 'posted'
    END;
    IF decided = 'posted' THEN
        PERFORM credits_release_overdue(tenant, account, moment, item.actor, item.request_id)
        FROM unnest(bearers) account WHERE account.held > 0 AND account.id = ANY (reserved_on);
        PERFORM credits_end_hold_lines(tenant, item, hold, ending, wanted, moment);
        UPDATE credits_hold candidate
        SET status = ending, captured = wanted, closed_at = moment, close_digest = item.facts_digest
        WHERE candidate.tenant_id = tenant AND candidate.id = hold.id;
        IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
            PERFORM credits_write_hold_event(tenant, item.request_id, hold.id, hold.customer_id, ending, moment);
        END IF;
    END IF;
    RETURN QUERY
    SELECT decided AS outcome, hold.id,
           CASE WHEN hold.status = 'active' THEN ending ELSE hold.status::text END AS status,
           reserved AS held, hold.amount, hold.captured, hold.close_digest AS first_digest;
END
$$;
