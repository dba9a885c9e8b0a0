-- A UUID of version 7 for a row that only the database knows about, so that ids stay in the order of time. PostgreSQL has its own from 18
-- on.
-- Takes: nothing. Returns: the id. Locks nothing.
CREATE OR REPLACE FUNCTION metering_new_id()
RETURNS uuid
LANGUAGE sql VOLATILE
AS $$
    SELECT encode(
        set_bit(
            set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::uuid
$$;
