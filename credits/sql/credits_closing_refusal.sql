-- Decides why a grant may not be closed. A grant that is expired or voided can be closed again where credit was given back to it.
-- Takes: expiry, void or deletion; a grant from which overdue holds were already released; today in UTC.
-- Returns: an outcome, or null where the grant may be closed. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_closing_refusal(kind text, account credits_grant, today date) RETURNS text LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN account.id IS NULL OR (account.status = 'deleted' AND kind <> 'deletion') THEN 'not_found'
        WHEN kind = 'deletion' AND account.status = 'deleted' THEN 'closed_before'
        WHEN kind = 'deletion' AND (account.last_entry_number > 1 OR account.held > 0) THEN 'drawn_on'
        WHEN kind = 'void' AND account.status = 'voided' AND credits_available(account.balance, account.held) <= 0 THEN 'closed_before'
        WHEN kind = 'void' AND account.status <> 'voided' AND account.held > 0 THEN 'held'
        WHEN kind = 'expiry' AND account.status = 'voided' THEN 'closed_before'
        WHEN kind = 'expiry' AND account.status <> 'open' AND credits_available(account.balance, account.held) <= 0 THEN 'closed_before'
        WHEN kind = 'expiry' AND NOT credits_is_over(account, today) THEN 'not_due'
    END
$$;
