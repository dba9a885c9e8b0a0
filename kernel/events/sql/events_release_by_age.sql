-- Lets the accounts of an ordered endpoint go on whose oldest delivery has failed for too long. That delivery is tried further, on its own.
-- Takes: a tenant, an endpoint, which the caller has locked, the moment before which the first attempt must have been. Returns: nothing.
-- Locks: the deliveries that it marks. Never: changes the state of a delivery.
CREATE OR REPLACE FUNCTION events_release_by_age(tenant uuid, endpoint uuid, first_attempt_before timestamp with time zone) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE events_delivery late SET released_by_age = true
    WHERE late.tenant_id = tenant AND late.endpoint_id = endpoint AND late.state = 'waiting' AND late.account <> ''
        AND NOT late.released_by_age AND late.first_attempt_at < first_attempt_before;
END
$$;
