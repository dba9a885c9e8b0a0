-- Posts what follows from a transaction. Credit given back to a grant past its last day expires again at once; credit given back to a
-- voided grant is debited again. What expires of a recurring grant's period rolls over to the next period, up to the cap.
-- Takes: a tenant; the posting; its grant after the transaction; the transaction; whether it was imported (imported rollovers come from the
-- file, so none is posted here).
-- Returns: nothing. Locks: nothing new; the caller has locked the transaction's grant and those it may roll over to.
CREATE OR REPLACE FUNCTION credits_follow_up(
    tenant uuid, item credits_posting, account credits_grant, entry credits_transaction, is_imported boolean
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    again credits_posting;
BEGIN
    IF entry.type = 'CREDIT' AND credits_available(account.balance, account.held) > 0
        AND (account.status = 'voided' OR credits_is_over(account, ledger_day(item.as_of))) THEN
        again.id := ledger_new_id();
        again.grant_id := account.id;
        again.kind := CASE account.status WHEN 'voided' THEN 'void' ELSE 'expiry' END;
        again.type := 'DEBIT';
        again.now := item.now;
        again.as_of := CASE WHEN is_imported THEN item.as_of END;
        again.occurred_at := entry.occurred_at;
        again.actor := item.actor;
        again.request_id := item.request_id;
        PERFORM credits_post_single(tenant, again);
    ELSIF entry.kind = 'expiry' AND account.recurring_grant_id IS NOT NULL AND NOT is_imported THEN
        PERFORM credits_roll_over(tenant, account, item.now, item.actor, item.request_id);
    END IF;
END
$$;
