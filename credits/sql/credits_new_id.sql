-- Takes: nothing. Returns: a UUIDv7, for a row that the caller doesn't name. Locks: nothing.
-- 48 bits of milliseconds over a random UUID, then the bits of version and variant.
CREATE OR REPLACE FUNCTION credits_new_id() RETURNS uuid LANGUAGE sql
AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex'
    )::uuid
$$;
