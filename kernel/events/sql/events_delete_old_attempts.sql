-- Deletes a page of old attempts.
-- Takes: the moment before which they were made, how many at most. Returns: how many were deleted. Locks: the rows that it deletes.
-- Runs with the rights of its owner, because the service's role may delete no row of a tenant. It never deletes a delivery.
CREATE OR REPLACE FUNCTION events_delete_old_attempts(before timestamp with time zone, at_most integer) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
    WITH deleted AS (
        DELETE FROM events_attempt attempt WHERE attempt.tenant_id IS NOT NULL AND attempt.id IN (
            SELECT old.id FROM events_attempt old WHERE old.tenant_id IS NOT NULL AND old.id < events_new_id(before, 0)
            ORDER BY old.id LIMIT at_most
        )
        RETURNING 1
    )
    SELECT count(*) FROM deleted
$$;
