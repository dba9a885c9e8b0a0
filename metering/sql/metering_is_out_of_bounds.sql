-- Whether a moment that a caller states is further from the present than the tenant's policy allows: by default 35 days before it, or 5
-- minutes after it.
-- Takes: the moment (null: none was stated), the present, and the policy's two limits (null where the tenant has no policy).
-- Returns: true or false. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_is_out_of_bounds(stated timestamptz, present timestamptz, backdating interval, postdating interval)
RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(
        stated < present - coalesce(backdating, interval '35 days') OR stated > present + coalesce(postdating, interval '5 minutes'), false
    )
$$;
