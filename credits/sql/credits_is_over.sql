-- Decides whether a grant's last day is before `day`. Takes: a grant, a day in UTC. Returns: true or false, never null. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_is_over(grant_row credits_grant, day date) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT grant_row.expiry_date IS NOT NULL AND grant_row.expiry_date < day
$$;
