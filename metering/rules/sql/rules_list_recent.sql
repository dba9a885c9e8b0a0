-- The transactions that may have been let through within a measure's window.
-- Takes: the tenant, the tail of the window, and at most how many.
-- Returns: their ids, some of which weren't, some perhaps twice. Locks: nothing.
-- Most were recorded within the window (a few minutes before it, if they were dated ahead); others waited for a decision or asked again.
CREATE OR REPLACE FUNCTION rules_list_recent(tenant uuid, tail timestamptz, at_most integer)
RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT owner.id FROM metering_transaction AS owner
        WHERE owner.tenant_id = tenant AND owner.created_at > tail - interval '10 minutes'
        ORDER BY owner.created_at DESC
        LIMIT at_most
    ) || rules_list_late(tenant, tail);
END
$$;
