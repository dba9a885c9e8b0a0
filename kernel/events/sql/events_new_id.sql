-- Takes: a moment, and the place of the event in its call (0 to 4095). Returns: a UUIDv7: 48 bits of milliseconds, version, 12 bits of the
-- place, variant, random bits. Events of one call sort by their place. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION events_new_id(moment timestamp with time zone, place bigint) RETURNS uuid LANGUAGE sql VOLATILE
AS $$
    SELECT encode(
        set_bit(overlay(
            overlay(
                uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM moment) * 1000)::bigint) FROM 3) FROM 1 FOR 6
            )
            PLACING substring(int4send(28672 + least(place, 4095)::integer) FROM 3) FROM 7 FOR 2
        ), 64, 0), 'hex'
    )::uuid
$$;
