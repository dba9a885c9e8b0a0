-- What like entries share: their hour, then 32 bits of a hash of type, amount and agent. The hour comes first so that the index grows where
-- it was last written, instead of touching a page of its own for each entry.
CREATE OR REPLACE FUNCTION billing_likeness(hour bigint, kind bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (hour << 32) | kind
$$;
