-- A UUID of version 7, for a row that the caller doesn't name: ids sort by the time at which they were made. PostgreSQL has its own from 18
-- on.
-- Takes: a moment. Returns: its milliseconds in 48 bits over a random UUID, with the bits of version and variant. Locks: nothing. Never:
-- reads a table.
-- Milliseconds are rounded down: an id that lay in the future would be larger than the first ids of the next millisecond.
CREATE OR REPLACE FUNCTION ledger_new_id(moment timestamp with time zone DEFAULT clock_timestamp()) RETURNS uuid LANGUAGE sql VOLATILE
AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send(floor(extract(epoch FROM moment) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex'
    )::uuid
$$;
