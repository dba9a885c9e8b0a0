-- Posts what follows from a transaction: credit given back to a grant that is over expires again at once, and to a voided one is debited
-- again; what expires of a recurring grant's period rolls into the next, up to the cap.
-- Takes: a tenant, the posting, its grant as it left it, its row, and whether it was imported. Imports bring their own
-- rollovers.
-- Returns: nothing. Locks: the next period's grant. The caller has locked the grant.
CREATE OR REPLACE FUNCTION credits_follow_up(
    tenant uuid, item credits_posting, account credits_grant, entry credits_transaction, is_imported boolean
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    again credits_posting;
BEGIN
    IF entry.type = 'CREDIT' AND credits_available(account) > 0
        AND (account.status = 'voided' OR credits_is_over(account, credits_day(item.as_of))) THEN
        again.id := credits_new_id();
        again.grant_id := account.id;
        again.kind := CASE account.status WHEN 'voided' THEN 'void' ELSE 'expiry' END;
        again.type := 'DEBIT';
        again.now := item.now;
        again.as_of := CASE WHEN is_imported THEN item.as_of END;
        again.occurred_at := entry.occurred_at;
        again.actor := item.actor;
        again.request_id := item.request_id;
        PERFORM credits_post_item(tenant, again);
    ELSIF entry.kind = 'expiry' AND account.schedule_id IS NOT NULL AND NOT is_imported THEN
        PERFORM credits_roll_over(tenant, account, item.now, item.actor, item.request_id);
    END IF;
END
$$;
