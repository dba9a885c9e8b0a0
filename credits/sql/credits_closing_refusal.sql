-- Decides why a grant may not be closed. A grant that is expired or voided can be closed again where credit was given back to it.
-- Takes: expiry, void or deletion; a grant from which overdue holds were already released; today in UTC.
-- Returns: an outcome, or null where the grant may be closed. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_closing_refusal(kind text, grant_row credits_grant, today date) RETURNS text LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN grant_row.id IS NULL OR (grant_row.status = 'deleted' AND kind <> 'deletion') THEN 'not_found'
        WHEN kind = 'deletion' AND grant_row.status = 'deleted' THEN 'closed_before'
        WHEN kind = 'deletion' AND (grant_row.last_entry_number > 1 OR grant_row.held > 0) THEN 'drawn_on'
        WHEN kind = 'void' AND grant_row.status = 'voided'
            AND credits_available(grant_row.balance, grant_row.held) <= 0 THEN 'closed_before'
        WHEN kind = 'void' AND grant_row.status <> 'voided' AND grant_row.held > 0 THEN 'held'
        WHEN kind = 'expiry' AND grant_row.status = 'voided' THEN 'closed_before'
        WHEN kind = 'expiry' AND grant_row.status <> 'open'
            AND credits_available(grant_row.balance, grant_row.held) <= 0 THEN 'closed_before'
        WHEN kind = 'expiry' AND NOT credits_is_over(grant_row.expiry_date, today) THEN 'not_due'
    END
$$;
