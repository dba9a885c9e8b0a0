-- Ends a hold; takes an array of one settlement. Outcomes: posted, replayed, conflict, not_found, closed, exceeded, not_due; `held` is what
-- the hold still reserved.
CREATE OR REPLACE FUNCTION credits_settle(settlements jsonb)
RETURNS TABLE (
    outcome text, id uuid, status text, held numeric, first_digest bytea
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item credits_settlement := jsonb_populate_record(NULL::credits_settlement, settlements -> 0);
    hold credits_hold;
    reserved numeric;
    wanted numeric;
    word text;
    ending text;
    parts jsonb;
    moment timestamptz;
BEGIN
    SELECT * INTO hold FROM credits_hold candidate
    WHERE candidate.tenant_id = item.tenant_id AND candidate.id = item.hold_id
      AND candidate.customer_id = coalesce(item.customer_id, candidate.customer_id)
    FOR NO KEY UPDATE;
    PERFORM FROM credits_grant account
    WHERE account.tenant_id = item.tenant_id AND account.id IN (
        SELECT line.grant_id FROM credits_holdline line WHERE line.tenant_id = item.tenant_id AND line.hold_id = hold.id
    )
    ORDER BY account.tenant_id, account.id
    FOR NO KEY UPDATE;
    SELECT coalesce(sum(line.remaining), 0) INTO reserved FROM credits_holdline line
    WHERE line.tenant_id = item.tenant_id AND line.hold_id = hold.id;
    -- An overdue hold can only expire, whatever was asked.
    ending := CASE WHEN hold.expires_at <= item.now THEN 'expired' ELSE item.kind END;
    wanted := CASE WHEN ending = 'captured' THEN coalesce(item.amount, reserved) ELSE 0 END;

    word := CASE
        WHEN hold.id IS NULL THEN 'not_found'
        WHEN hold.status <> 'active' AND hold.status = item.kind AND hold.close_digest IS DISTINCT FROM item.facts_digest THEN 'conflict'
        WHEN hold.status <> 'active' AND hold.status = item.kind THEN 'replayed'
        WHEN hold.status <> 'active' OR (item.kind = 'captured' AND ending = 'expired') THEN 'closed'
        WHEN item.kind = 'expired' AND hold.expires_at > item.now THEN 'not_due'
        WHEN wanted > reserved THEN 'exceeded'
        ELSE 'posted'
    END;
    IF word <> 'posted' THEN
        RETURN QUERY SELECT word, hold.id, CASE hold.status WHEN 'active' THEN ending ELSE hold.status END::text, reserved, hold.close_digest;
        RETURN;
    END IF;

    moment := clock_timestamp();
    WITH lines AS (
        SELECT line.*, (line.chosen_by ->> 'rank')::int AS rank,
               greatest(0, least(line.remaining, wanted - (sum(line.remaining) OVER burn_down - line.remaining))) AS taken
        FROM credits_holdline line
        WHERE line.tenant_id = item.tenant_id AND line.hold_id = hold.id AND line.remaining > 0
        WINDOW burn_down AS (ORDER BY (line.chosen_by ->> 'rank')::int)
    ), emptied AS (
        UPDATE credits_holdline line SET remaining = 0 FROM lines WHERE line.tenant_id = lines.tenant_id AND line.id = lines.id
    ), freed AS (
        UPDATE credits_grant account SET held = account.held - lines.remaining
        FROM lines WHERE account.tenant_id = lines.tenant_id AND account.id = lines.grant_id
        RETURNING account.id, account.held
    ), written AS (
        INSERT INTO credits_holdentry
            (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
        SELECT item.tenant_id, credits_new_id(), hold.id, lines.grant_id, part.kind, part.amount, freed.held + part.still_held,
               coalesce(item.reason, ''), credits_moment(item.now, moment), moment + part.place * interval '1 microsecond', item.actor,
               item.request_id
        FROM lines JOIN freed ON freed.id = lines.grant_id
        CROSS JOIN LATERAL (VALUES
            (0, 'captured', lines.taken, lines.remaining - lines.taken),
            (1, CASE ending WHEN 'expired' THEN 'expired' ELSE 'released' END, lines.remaining - lines.taken, 0)
        ) part (place, kind, amount, still_held)
        WHERE part.amount > 0
    )
    SELECT jsonb_agg(jsonb_build_object('grant_id', grant_id, 'taken', taken, 'chosen_by', chosen_by) ORDER BY rank) INTO parts FROM lines;

    PERFORM credits_post_all((
        SELECT jsonb_agg(jsonb_build_object(
            'tenant_id', item.tenant_id, 'id', credits_new_id(), 'grant_id', part.grant_id, 'kind', 'capture', 'type', 'DEBIT',
            'amount', part.taken, 'reason', item.reason, 'invoice_id', item.invoice_id, 'billing_run_id', item.billing_run_id,
            'now', item.now, 'hold_id', hold.id, 'chosen_by', part.chosen_by, 'actor', item.actor, 'request_id', item.request_id
        ))
        FROM jsonb_to_recordset(parts) part (grant_id uuid, taken numeric, chosen_by jsonb)
        WHERE part.taken > 0
    ));
    -- What is let go of a grant that has expired meanwhile expires with it; the others answer `not_due`.
    PERFORM FROM credits_post((
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'tenant_id', item.tenant_id, 'id', credits_new_id(), 'grant_id', line.grant_id, 'kind', 'expiry', 'type', 'DEBIT',
            'now', item.now, 'actor', item.actor, 'request_id', item.request_id
        )), '[]')
        FROM credits_holdline line WHERE line.tenant_id = item.tenant_id AND line.hold_id = hold.id
    ));
    UPDATE credits_hold candidate
    SET status = ending, captured = wanted, closed_at = moment, close_digest = item.facts_digest
    WHERE candidate.tenant_id = hold.tenant_id AND candidate.id = hold.id;
    RETURN QUERY SELECT 'posted', hold.id, ending, reserved, item.facts_digest;
END
$$;
