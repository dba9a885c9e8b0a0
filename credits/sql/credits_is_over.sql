-- Decides whether a grant's last day is before `day`.
-- Takes: a grant's expiry date, null without one; a day in UTC. Returns: true or false, never null. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_is_over(expiry_date date, day date) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
    SELECT expiry_date IS NOT NULL AND expiry_date < day
$$;
