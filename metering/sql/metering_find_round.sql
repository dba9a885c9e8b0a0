-- The round of authorization that a repeated call means: the one with its key, or the transaction's newest if that asked for the same and
-- its payment can still be presented.
-- Takes: the tenant, the item, and the transaction's newest round.
-- Returns: the outcome `exists` with the round's id and digest, or a null outcome. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION metering_find_round(tenant uuid, item metering_reauthorization, newest smallint)
RETURNS metering_amend_outcome
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    earlier metering_amend_outcome;
BEGIN
    SELECT request.id, request.facts_digest INTO earlier.id, earlier.first_digest
    FROM rules_authorizationrequest request
    WHERE request.tenant_id = tenant AND request.idempotency_key = item.idempotency_key;
    IF earlier.id IS NULL THEN
        SELECT request.id, decode(item.facts_digest, 'hex') INTO earlier.id, earlier.first_digest
        FROM rules_authorizationrequest request
        WHERE request.tenant_id = tenant AND request.transaction_id = item.transaction_id AND request.round = newest
            AND request.challenge_digest = decode(item.challenge_digest, 'hex')
            AND NOT paying_may_not_be_presented(tenant, item.transaction_id, newest);
    END IF;
    earlier.outcome := CASE WHEN earlier.id IS NOT NULL THEN 'exists' END;
    RETURN earlier;
END
$$;
