-- Takes: a moment. Returns: the number of its hour, counted from 1970 in UTC. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_hour(moment timestamp with time zone) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT floor(extract(epoch FROM moment) / 3600)::bigint
$$;
