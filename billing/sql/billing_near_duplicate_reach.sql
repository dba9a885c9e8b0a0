-- How far before and after an entry to look for another one that it may repeat.
--
-- Takes: near_duplicate_seconds of the tenant's policy, or NULL where it has none. Returns: a time; by default that of a new policy
-- (NEAR_DUPLICATE_SECONDS in billing/choices.py; tests/billing/test_near_duplicates.py holds the two equal). Locks: nothing. Never: reads
-- a table.
CREATE OR REPLACE FUNCTION billing_near_duplicate_reach(seconds integer) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT make_interval(secs => coalesce(seconds, 60))
$$;
