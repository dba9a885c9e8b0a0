-- The digest of an entry that the ledger itself wrote, as a part of a payment. No caller stated any of its facts.
--
-- Takes: nothing. Returns: hexadecimal zeros, eight bytes for each of the nine facts that billing/digests.py had first. Where facts are
-- added, it stays as it is: a shorter digest says of every later fact that it was not given. No digest of an entry is
-- shorter. Locks: nothing. Never: reads a table.
--
-- A hold, an extension or a release of which no caller stated a fact has an empty digest instead, which proves nothing: zeros would say
-- that its caller left the amount out, and the integrity checks compare that with the row.
CREATE OR REPLACE FUNCTION billing_no_facts_digest() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT repeat('0', 9 * 16)
$$;
