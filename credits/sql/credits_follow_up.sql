-- Posts what follows from a transaction. Credit given back to a grant past its last day expires again at once; credit given back to a
-- voided grant is debited again. What expires of a recurring grant's period rolls over to the next period, up to the cap.
-- Takes: a tenant; the posting; its grant after the transaction; the transaction; whether it was imported (imported rollovers come from the
-- file, so none is posted here).
-- Returns: nothing. Locks: nothing new; the caller has locked the transaction's grant and those it may roll over to.
CREATE OR REPLACE FUNCTION credits_follow_up(
    tenant uuid, item credits_posting, grant_row credits_grant, entry credits_transaction, is_imported boolean
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    closing credits_posting;
BEGIN
    IF entry.type = 'CREDIT' AND credits_available(grant_row.balance, grant_row.held) > 0
        AND (grant_row.status = 'voided' OR credits_is_over(grant_row.expiry_date, ledger_day(item.as_of))) THEN
        closing.id := ledger_new_id();
        closing.grant_id := grant_row.id;
        closing.kind := CASE grant_row.status WHEN 'voided' THEN 'void' ELSE 'expiry' END;
        closing.type := 'DEBIT';
        closing.now := item.now;
        closing.as_of := CASE WHEN is_imported THEN item.as_of END;
        closing.occurred_at := entry.occurred_at;
        closing.actor := item.actor;
        closing.request_id := item.request_id;
        PERFORM credits_post_single(tenant, closing);
    ELSIF entry.kind = 'expiry' AND grant_row.recurring_grant_id IS NOT NULL AND NOT is_imported THEN
        PERFORM credits_roll_over(tenant, grant_row, item.now, item.actor, item.request_id);
    END IF;
END
$$;
