-- Ends the overdue holds of a wallet. Until somebody posts to the wallet, or the job expire_holds comes, they reserve nothing anyway.
--
-- Takes: the tenant, a wallet that the caller has locked, the moment taken under that lock, the actor and request id to record.
-- Returns: the wallet after it. Locks: its overdue holds, which only a call that has locked the wallet changes.
-- Never: changes a balance.
CREATE OR REPLACE FUNCTION billing_expire_overdue_holds(
    tenant uuid, wallet billing_wallet, moment timestamp with time zone, for_actor text, for_request text
) RETURNS billing_wallet
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    overdue uuid[];
    released numeric;
    booked timestamptz;
BEGIN
    overdue := ARRAY(
        SELECT hold.id FROM billing_wallethold hold
        WHERE hold.tenant_id = tenant AND hold.wallet_id = wallet.id AND hold.status = 'active' AND hold.expires_at <= moment
    );
    IF overdue = '{}' THEN
        RETURN wallet;
    END IF;
    booked := billing_next_hold_entry_time(tenant, wallet.id, moment);
    WITH ended AS (
        UPDATE billing_wallethold hold SET status = 'expired', closed_at = hold.expires_at
        WHERE hold.tenant_id = tenant AND hold.id = ANY (overdue)
        RETURNING hold.id, hold.captured, hold.amount - hold.captured AS remaining, hold.expires_at
    ), numbered AS (
        SELECT ended.*, sum(ended.remaining) OVER in_turn AS released_so_far, row_number() OVER in_turn - 1 AS number FROM ended
        WINDOW in_turn AS (ORDER BY ended.expires_at, ended.id)
    ), entries AS (
        INSERT INTO billing_walletholdentry (
            id, tenant_id, wallet_id, hold_id, kind, amount, held_after, captured_after, expires_at, reason, is_final, occurred_at,
            created_at,
            actor, request_id)
        SELECT ledger_new_id(), tenant, wallet.id, numbered.id, 'expired', numbered.remaining, wallet.held - numbered.released_so_far,
            numbered.captured, numbered.expires_at, '', false, numbered.expires_at, booked + numbered.number * interval '1 microsecond',
            for_actor, coalesce(for_request, '')
        FROM numbered
    )
    SELECT sum(numbered.remaining) INTO released FROM numbered;
    wallet.held := wallet.held - released;
    UPDATE billing_wallet wallet_row SET held = wallet.held WHERE wallet_row.tenant_id = tenant AND wallet_row.id = wallet.id;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM billing_write_hold_events(tenant, for_request, overdue, 'expired', moment);
    END IF;
    RETURN wallet;
END;
$$;
