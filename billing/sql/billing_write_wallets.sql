-- Moves each wallet to the balance and number of its newest entry.
--
-- Takes: the tenant, and the decisions on its postings. Returns: nothing. Locks: nothing new, the wallets are locked already.
-- Never: touches a wallet that got no entry.
CREATE OR REPLACE FUNCTION billing_write_wallets(tenant uuid, decisions billing_decision[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    UPDATE billing_wallet wallet
    SET balance = newest.balance, last_entry_number = newest.entry_number, last_entry_at = newest.entry_time
    FROM (
        SELECT DISTINCT ON (line.wallet_id) line.wallet_id, line.balance, line.entry_number, line.entry_time
        FROM unnest(decisions) AS line
        WHERE line.outcome = 'posted'
        ORDER BY line.wallet_id, line.entry_number DESC
    ) AS newest
    WHERE wallet.id = newest.wallet_id AND wallet.tenant_id = tenant;
END;
$$;
