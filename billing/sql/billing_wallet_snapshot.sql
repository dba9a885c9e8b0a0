-- Takes: a wallet without its overdue holds; its balance, number and time after an entry.
-- Returns: what a reply about it is made of (WalletReply), as JSON. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_wallet_snapshot(
    wallet billing_wallet, balance numeric, entry_number bigint, entry_time timestamp with time zone
) RETURNS json LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'currency', wallet.currency, 'balance', balance, 'held', wallet.held, 'unheld', balance - wallet.held, 'floor', wallet.floor,
        'alert_below', wallet.alert_below, 'last_entry_number', entry_number, 'last_entry_at', entry_time
    )
$$;
