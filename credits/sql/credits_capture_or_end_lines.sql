-- Captures `wanted` units of the lines of a hold in burn-down order, and ends them: releases the rest, unless the call is a capture that
-- isn't final. Posts the debits of what is captured, and expires what is released of grants past their last day.
--
-- Takes: a tenant, the call's facts, the hold, how it ends, how much is captured, the moment taken under the locks.
-- Returns: nothing.
-- Locks: nothing new; the caller has locked the hold, its grants and those they may roll over to.
-- Never: touches the lines of another hold.
CREATE OR REPLACE FUNCTION credits_capture_or_end_lines(
    tenant uuid, item credits_hold_end, hold credits_hold, ending text, wanted numeric, moment timestamp with time zone
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    grants CONSTANT uuid[] := ARRAY(SELECT grant_id FROM credits_holdline WHERE tenant_id = tenant AND hold_id = hold.id ORDER BY grant_id);
    ends CONSTANT boolean := ending <> 'captured' OR item.final;
    booked CONSTANT timestamptz := credits_next_hold_entry_time(tenant, grants, moment);
    parts jsonb;
BEGIN
    WITH lines AS (
        SELECT line.id, line.grant_id, line.remaining, line.chosen_by, (line.chosen_by ->> 'rank')::int AS rank,
               greatest(0, least(line.remaining, wanted - (sum(line.remaining) OVER burn_down - line.remaining))) AS taken
        FROM credits_holdline line
        WHERE line.tenant_id = tenant AND line.hold_id = hold.id AND line.remaining > 0
        WINDOW burn_down AS (ORDER BY (line.chosen_by ->> 'rank')::int)
    ), emptied AS (
        UPDATE credits_holdline line SET remaining = CASE WHEN ends THEN 0 ELSE lines.remaining - lines.taken END
        FROM lines WHERE line.tenant_id = tenant AND line.id = lines.id
    ), freed AS (
        UPDATE credits_grant grant_row SET held = grant_row.held - CASE WHEN ends THEN lines.remaining ELSE lines.taken END
        FROM lines WHERE grant_row.tenant_id = tenant AND grant_row.id = lines.grant_id
        RETURNING grant_row.id, grant_row.held
    ), entries AS (
        INSERT INTO credits_holdentry
            (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
        SELECT tenant, ledger_new_id(), hold.id, lines.grant_id, part.kind, part.amount, freed.held + part.still_held,
               coalesce(item.reason, ''), moment, booked + part.ordinal * interval '1 microsecond', item.actor, item.request_id
        FROM lines JOIN freed ON freed.id = lines.grant_id
        CROSS JOIN LATERAL (VALUES
            (0, 'captured', lines.taken, CASE WHEN ends THEN lines.remaining - lines.taken ELSE 0 END),
            (1, CASE ending WHEN 'expired' THEN 'expired' ELSE 'released' END,
             CASE WHEN ends THEN lines.remaining - lines.taken ELSE 0 END, 0)
        ) part (ordinal, kind, amount, still_held)
        WHERE part.amount > 0
    )
    SELECT jsonb_agg(jsonb_build_object('rank', rank, 'grant_id', grant_id, 'taken', taken, 'chosen_by', chosen_by) ORDER BY rank)
    INTO parts FROM lines;

    PERFORM credits_post_decided(tenant, (
        SELECT jsonb_agg(jsonb_build_object(
            'id', ledger_new_id(), 'grant_id', part.grant_id, 'kind', 'capture', 'type', 'DEBIT', 'amount', part.taken,
            'reason', item.reason, 'invoice_id', item.invoice_id, 'billing_run_id', item.billing_run_id,
            -- A microsecond apart, so that lists show them in burn-down order.
            'now', moment + (part.rank - 1) * interval '1 microsecond',
            'hold_id', hold.id, 'chosen_by', part.chosen_by, 'actor', item.actor, 'request_id', item.request_id
        ))
        FROM jsonb_to_recordset(parts) part (rank int, grant_id uuid, taken numeric, chosen_by jsonb)
        WHERE part.taken > 0
    ));
    IF NOT ends THEN
        RETURN;
    END IF;
    -- The outcome is not_due for grants that are not past their last day, and nothing is written for them.
    PERFORM FROM credits_post(tenant, (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', ledger_new_id(), 'grant_id', of_grant.id, 'kind', 'expiry', 'type', 'DEBIT', 'now', moment, 'actor', item.actor,
            'request_id', item.request_id
        )), '[]')
        FROM unnest(grants) of_grant (id)
    ));
END
$$;
