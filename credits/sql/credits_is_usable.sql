-- Decides whether a debit on `day` may draw on a grant at all: it is open, in force on both its first and its last day, and not empty.
-- Takes: a grant, a day in UTC. Returns: true or false. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_is_usable(grant_row credits_grant, day date) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT grant_row.status = 'open' AND grant_row.balance > 0 AND day >= grant_row.effective_date
        AND NOT credits_is_over(grant_row.expiry_date, day)
$$;
