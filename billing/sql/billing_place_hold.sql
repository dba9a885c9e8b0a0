-- Reserves an amount of a tenant's wallet until a moment.
--
-- Takes: the tenant, an array of one billing_hold_start. Returns: one row; `currency` is the hold's; `balance`, `held`, `floor` and
-- `wallet_currency` are of the wallet that decided; `latest` is the last moment that the policy allows. `outcome` is posted, exists (the
-- key was used before: `first_digest`), insufficient, out_of_range, too_long, or overdue where the moment is past already. A repeated call
-- may come that late, so `exists` is decided first.
-- Locks: as billing_post, the wallet; before it, where the wallet is opened, the tenant, its policy and the new wallet's key.
-- Never: moves a balance; leaves a wallet behind that was opened for a refused hold.
CREATE OR REPLACE FUNCTION billing_place_hold(tenant uuid, items jsonb)
RETURNS TABLE (
    outcome text, id uuid, wallet_id uuid, currency text, balance numeric, held numeric, floor numeric,
    wallet_currency text, latest timestamp with time zone, first_digest bytea
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
    wanted CONSTANT billing_hold_start := jsonb_populate_record(NULL::billing_hold_start, items -> 0);
    opening billing_posting;
    locked record;
    wallet billing_wallet;
    placed billing_wallethold;
    step billing_hold_step;
    moment timestamptz;
    last_moment timestamptz;
    hold_floor numeric;
    hold_outcome text;
BEGIN
    opening.id := wanted.id;
    opening.currency := wanted.currency;
    SELECT * INTO locked FROM billing_lock_wallets(tenant, ARRAY[opening]);
    wallet := locked.wallets[1];
    moment := ledger_now();
    IF wallet.held > 0 THEN
        wallet := billing_expire_overdue_holds(tenant, wallet, moment, wanted.actor, wanted.request_id);
    END IF;
    -- The key from both sides, for the planner: as in billing_read_postings.
    SELECT * INTO placed FROM billing_wallethold hold
    WHERE hold.tenant_id = tenant AND hold.reference_id >= wanted.reference_id AND hold.reference_id <= wanted.reference_id
    ORDER BY hold.reference_id LIMIT 1;
    last_moment := billing_longest_hold(tenant, moment);
    hold_floor := billing_floor_or_zero(wallet.floor, wanted.allow_overdraft);
    hold_outcome := CASE
        WHEN placed.id IS NOT NULL THEN 'exists'
        WHEN wanted.expires_at <= moment THEN 'overdue'
        WHEN wanted.expires_at > last_moment THEN 'too_long'
        WHEN NOT billing_floor_allows(balance => wallet.balance, held => wallet.held + wanted.amount, floor => hold_floor)
            THEN 'insufficient'
        WHEN ledger_is_out_of_range(wallet.held + wanted.amount)
            OR ledger_is_out_of_range(wallet.balance - wallet.held - wanted.amount) THEN 'out_of_range'
        ELSE 'posted'
    END;
    IF hold_outcome = 'posted' THEN
        INSERT INTO billing_wallethold (
            id, tenant_id, wallet_id, currency, amount, captured, reference_id, reason, allow_overdraft, expires_at, status, facts_digest,
            occurred_at, created_at, actor, request_id)
        VALUES (
            wanted.id, tenant, wallet.id, wallet.currency, wanted.amount, 0, wanted.reference_id, coalesce(wanted.reason, ''),
            coalesce(wanted.allow_overdraft, false), wanted.expires_at, 'active', decode(wanted.facts_digest, 'hex'), moment, moment,
            wanted.actor, coalesce(wanted.request_id, ''))
        RETURNING * INTO placed;
        step.kind := 'placed';
        step.amount := wanted.amount;
        step.held_after := wallet.held + wanted.amount;
        step.reason := wanted.reason;
        step.happened := moment;
        step.booked := billing_next_hold_entry_time(tenant, wallet.id, moment);
        step.actor := wanted.actor;
        step.request_id := wanted.request_id;
        PERFORM billing_write_hold_entry(tenant, placed.id, step);
        UPDATE billing_wallet wallet_row SET held = step.held_after WHERE wallet_row.tenant_id = tenant AND wallet_row.id = wallet.id;
        wallet.held := step.held_after;
        IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
            PERFORM billing_write_hold_events(tenant, wanted.request_id, ARRAY[placed.id], 'placed', moment);
        END IF;
    ELSIF locked.opened <> '{}' THEN
        PERFORM billing_remove_unused_wallets(tenant, locked.opened);
    END IF;
    RETURN QUERY
    SELECT hold_outcome AS outcome, placed.id AS id, wallet.id AS wallet_id, coalesce(placed.currency, wallet.currency)::text AS currency,
        wallet.balance AS balance, wallet.held AS held, hold_floor AS floor, wallet.currency::text AS wallet_currency,
        last_moment AS latest, placed.facts_digest AS first_digest;
END;
$$;
