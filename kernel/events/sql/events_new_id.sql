-- Takes: a moment, and the ordinal of the event in its call (0 to 4095). Returns: a UUIDv7 (ledger_new_id) with it in the 12 bits after
-- its version. Events of one call sort by their ordinals. Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION events_new_id(moment timestamp with time zone, ordinal bigint) RETURNS uuid LANGUAGE sql VOLATILE
AS $$
    SELECT encode(
        overlay(uuid_send(ledger_new_id(moment)) PLACING substring(int4send(28672 + least(ordinal, 4095)::integer) FROM 3) FROM 7 FOR 2),
        'hex'
    )::uuid
$$;
