CREATE OR REPLACE FUNCTION billing_hour(moment timestamp with time zone) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT floor(extract(epoch FROM moment) / 3600)::bigint
$$;
