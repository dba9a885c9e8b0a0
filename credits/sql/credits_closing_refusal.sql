-- Why a grant may not be closed; null where it may.
CREATE OR REPLACE FUNCTION credits_closing_refusal(kind text, account credits_grant, today date) RETURNS text LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN account.id IS NULL OR (account.status = 'deleted' AND kind <> 'deletion') THEN 'not_found'
        WHEN kind = 'deletion' AND account.status = 'deleted' THEN 'closed_before'
        WHEN kind = 'deletion' AND (account.last_entry_number > 1 OR account.held > 0) THEN 'drawn_on'
        WHEN kind = 'void' AND account.status = 'voided' THEN 'closed_before'
        WHEN kind = 'void' AND account.held > 0 THEN 'held'
        WHEN kind = 'expiry' AND account.status <> 'open' THEN 'closed_before'
        WHEN kind = 'expiry' AND (account.expiry_date IS NULL OR account.expiry_date >= today) THEN 'not_due'
    END
$$;
