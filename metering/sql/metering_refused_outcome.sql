-- The outcome of a posting that writes nothing: its key was used before, its agent is unknown, or its time is out of bounds.
-- Takes: the tenant, the posting and its resolution. If that says `posted`, a call or an item before this one used the key meanwhile.
-- Returns: the outcome. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION metering_refused_outcome(tenant uuid, item metering_posting, resolved metering_resolution)
RETURNS metering_outcome
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    current_resolution metering_resolution := resolved;
    refused metering_outcome;
BEGIN
    IF resolved.posting_outcome = 'posted' THEN
        current_resolution := (metering_resolve(tenant, ARRAY[item]))[1];
    END IF;
    refused.outcome := current_resolution.posting_outcome;
    refused.id := current_resolution.first_id;
    refused.first_digest := current_resolution.first_digest;
    RETURN refused;
END
$$;
