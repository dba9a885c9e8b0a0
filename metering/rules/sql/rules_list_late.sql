-- The transactions that were let through after a moment, but not at once when they were recorded.
-- Takes: the tenant and the moment. Returns: their ids, some perhaps twice. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_list_late(tenant uuid, since timestamptz)
RETURNS uuid[]
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT step.transaction_id FROM metering_statuschange AS step
        WHERE step.tenant_id = tenant AND step.to_status = 'authorized' AND step.from_status IS NOT NULL AND step.created_at > since
        UNION ALL
        SELECT request.transaction_id FROM rules_authorizationrequest AS request
        WHERE request.tenant_id = tenant AND request.round > 1 AND request.created_at > since
    );
END
$$;
