-- The digest of a draw, a hold or the end of a hold that is a part of a payment. No caller stated any of its facts.
-- Takes: nothing. Returns: zeros for one fact, as bytea is written in JSON: a shorter digest says of every further fact that it was not
-- given. Locks: nothing. Never: reads a table.
--
-- An extension of which no caller stated a fact has an empty digest instead, which proves nothing: zeros would say that its caller named no
-- hold, and the integrity checks compare that with the row.
CREATE OR REPLACE FUNCTION credits_no_facts_digest() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT '\x' || repeat('0', 16)
$$;
