-- The outcome of a posting that writes nothing: its key was used before, or its agent is unknown.
-- Takes: the tenant, the posting and its resolution. If that says `posted`, a call or an item before this one used the key meanwhile.
-- Returns: the outcome. Locks nothing. Never writes.
CREATE OR REPLACE FUNCTION metering_refused_outcome(tenant uuid, item metering_posting, resolved metering_resolution)
RETURNS metering_outcome
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    again metering_resolution := resolved;
    refused metering_outcome;
BEGIN
    IF resolved.posting_outcome = 'posted' THEN
        again := (metering_resolve(tenant, ARRAY[item]))[1];
    END IF;
    refused.outcome := again.posting_outcome;
    refused.id := again.first_id;
    refused.first_digest := again.first_digest;
    RETURN refused;
END
$$;
