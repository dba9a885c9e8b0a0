-- Holds: an amount reserved across a customer's grants. A hold moves no balance; it lowers what debits, burn-downs and other holds can take.
-- Whoever locks a hold does so before its grants, and the grants in the order of their keys.

-- Reserves an amount until draw.expires_at; takes an array of one draw. Outcomes: posted, replayed, conflict, insufficient, and overdue
-- where that moment is past already (a repeated call may well come so late).
CREATE FUNCTION credits_place(draws jsonb) RETURNS TABLE (
    outcome text, id uuid, balance numeric, available numeric, first_digest bytea
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, draws -> 0);
    accounts CONSTANT credits_grant[] := credits_lock_payers(draw);
    total numeric;
    there numeric;
    known credits_hold;
    moment CONSTANT timestamptz := clock_timestamp();
    happened CONSTANT timestamptz := credits_moment(draw.now, moment);
BEGIN
    SELECT coalesce(sum(balance), 0), coalesce(sum(balance - held), 0) INTO total, there FROM unnest(accounts);
    SELECT * INTO known FROM credits_hold WHERE tenant_id = draw.tenant_id AND idempotency_key = draw.idempotency_key;
    IF known.id IS NOT NULL THEN
        RETURN QUERY SELECT CASE WHEN known.facts_digest = draw.facts_digest THEN 'replayed' ELSE 'conflict' END,
                            known.id, total, there, known.facts_digest;
        RETURN;
    ELSIF draw.expires_at <= draw.now OR there < draw.amount THEN
        RETURN QUERY SELECT CASE WHEN draw.expires_at <= draw.now THEN 'overdue' ELSE 'insufficient' END, NULL::uuid, total, there, NULL::bytea;
        RETURN;
    END IF;

    INSERT INTO credits_hold
        (tenant_id, id, customer_id, currency, metric_id, amount, reason, expires_at, idempotency_key, facts_digest, status, captured,
         occurred_at, created_at, actor, request_id)
    VALUES
        (draw.tenant_id, draw.id, draw.customer_id, coalesce(draw.currency, ''), coalesce(draw.metric_id, ''), draw.amount, draw.reason,
         draw.expires_at, draw.idempotency_key, draw.facts_digest, 'active', 0, happened, moment, draw.actor, draw.request_id);
    WITH planned AS (
        SELECT plan.*, account.held + plan.taken AS held_after
        FROM credits_plan(accounts, draw.amount) plan JOIN unnest(accounts) account ON account.id = plan.grant_id
    ), lines AS (
        INSERT INTO credits_holdline
            (tenant_id, id, hold_id, grant_id, amount, expires_at, chosen_by, remaining, occurred_at, created_at, actor, request_id)
        SELECT draw.tenant_id, credits_new_id(), draw.id, grant_id, taken, draw.expires_at, chosen_by, taken, happened, moment,
               draw.actor, draw.request_id
        FROM planned
    ), entries AS (
        INSERT INTO credits_holdentry
            (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
        SELECT draw.tenant_id, credits_new_id(), draw.id, grant_id, 'placed', taken, held_after, draw.reason, happened, moment,
               draw.actor, draw.request_id
        FROM planned
    )
    UPDATE credits_grant account SET held = planned.held_after
    FROM planned WHERE account.tenant_id = draw.tenant_id AND account.id = planned.grant_id;
    RETURN QUERY SELECT 'posted', draw.id, total, there, draw.facts_digest;
END
$$;

-- How a hold ends. `kind`: captured (`amount`, all of it where null; the rest is released), released, or expired (once it is overdue).
CREATE TYPE credits_settlement AS (
    tenant_id uuid, customer_id text, hold_id uuid, kind text, amount numeric, reason text, invoice_id text, billing_run_id text,
    now timestamptz, facts_digest bytea, actor text, request_id text
);

-- Ends a hold; takes an array of one settlement. Outcomes: posted, replayed, conflict, not_found, closed, exceeded, not_due; `held` is what
-- the hold still reserved.
CREATE FUNCTION credits_settle(settlements jsonb) RETURNS TABLE (outcome text, id uuid, status text, held numeric, first_digest bytea)
LANGUAGE plpgsql AS $$
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
