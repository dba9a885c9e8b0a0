-- Gives a hold a later end.
--
-- Takes: the tenant, an array of one billing_hold_extension. Returns: one row: the hold after the call, and `latest`, the last moment that
-- the policy allows. `outcome` is posted, exists (the key was used before: `first_digest`), closed, not_later, too_long or not_found.
-- Locks: the wallet of the hold. The time is taken under this lock, so a call that waited past the hold's end finds it expired.
-- Never: makes a hold shorter; changes what it reserves.
CREATE OR REPLACE FUNCTION billing_extend_hold(tenant uuid, items jsonb)
RETURNS TABLE (
    outcome text, id uuid, status text, held numeric, expires_at timestamp with time zone, latest timestamp with time zone,
    first_digest bytea
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    item CONSTANT billing_hold_extension := jsonb_populate_record(NULL::billing_hold_extension, items -> 0);
    wallet billing_wallet;
    hold billing_wallethold;
    step billing_hold_step;
    moment timestamptz;
    last_moment timestamptz;
    digest_before bytea;
    hold_outcome text;
BEGIN
    SELECT * INTO wallet FROM billing_wallet wallet_row
    WHERE wallet_row.tenant_id = tenant
        AND wallet_row.id = (
            SELECT hold_row.wallet_id FROM billing_wallethold hold_row WHERE hold_row.tenant_id = tenant AND hold_row.id = item.hold_id
        )
    FOR NO KEY UPDATE;
    moment := ledger_now();
    IF wallet.held > 0 THEN
        wallet := billing_expire_overdue_holds(tenant, wallet, moment, item.actor, item.request_id);
    END IF;
    SELECT * INTO hold FROM billing_wallethold hold_row WHERE hold_row.tenant_id = tenant AND hold_row.id = item.hold_id;
    last_moment := billing_longest_hold(tenant, hold.created_at);
    SELECT before.first_digest INTO digest_before FROM billing_hold_step_before(tenant, hold.id, 'extended', item.reference_id) AS before;
    hold_outcome := CASE
        WHEN hold.id IS NULL THEN 'not_found'
        WHEN digest_before IS NOT NULL THEN 'exists'
        WHEN hold.status <> 'active' OR hold.expires_at <= moment THEN 'closed'
        WHEN item.expires_at <= hold.expires_at THEN 'not_later'
        WHEN item.expires_at > last_moment THEN 'too_long'
        ELSE 'posted'
    END;
    IF hold_outcome = 'posted' THEN
        UPDATE billing_wallethold hold_row SET expires_at = item.expires_at WHERE hold_row.tenant_id = tenant AND hold_row.id = hold.id
        RETURNING * INTO hold;
        step.kind := 'extended';
        step.amount := 0;
        step.held_after := wallet.held;
        step.reference_id := item.reference_id;
        step.facts_digest := item.facts_digest;
        step.happened := moment;
        step.booked := billing_next_hold_entry_time(tenant, wallet.id, moment);
        step.actor := item.actor;
        step.request_id := item.request_id;
        PERFORM billing_write_hold_entry(tenant, hold.id, step);
        IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
            PERFORM billing_write_hold_events(tenant, item.request_id, ARRAY[hold.id], 'extended', moment);
        END IF;
    END IF;
    RETURN QUERY
    SELECT hold_outcome AS outcome, hold.id AS id,
        CASE WHEN hold.status = 'active' AND hold.expires_at <= moment THEN 'expired' ELSE hold.status::text END AS status,
        CASE WHEN hold.status = 'active' AND hold.expires_at > moment THEN hold.amount - hold.captured ELSE 0 END AS held,
        hold.expires_at AS expires_at, last_moment AS latest, digest_before AS first_digest;
END;
$$;
