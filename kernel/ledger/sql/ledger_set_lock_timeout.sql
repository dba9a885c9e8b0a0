-- Shortens the wait for locks in this database transaction, if the postings say so: those gathered from several callers do
-- (kernel/ledger/posting/statements.py).
-- Takes: postings. Returns: the milliseconds, or NULL where the wait stays as it is. Locks: nothing. Never: reads a table.
-- Posting functions call it in DECLARE, so before their first lock. PL/pgSQL inlines it there; PERFORM would start an executor
-- (docs/performance.md says what that costs).
CREATE OR REPLACE FUNCTION ledger_set_lock_timeout(postings jsonb) RETURNS text LANGUAGE sql VOLATILE
AS $$
    SELECT CASE WHEN postings -> 0 ? 'lock_timeout_ms' THEN set_config('lock_timeout', postings -> 0 ->> 'lock_timeout_ms', true) END
$$;
