-- What an earlier call with an idempotency key wrote.
-- Takes: the tenant, and the key (null: none was sent).
-- Returns: the outcome `exists` with the ids of that call's rows, or a null outcome. Every row that a call wrote has its key, except for
-- costs that a cancellation added. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION metering_find_amendment(tenant uuid, key text)
RETURNS metering_amend_outcome
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    earlier metering_amend_outcome;
BEGIN
    IF key IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT change.id, change.facts_digest INTO earlier.change_id, earlier.first_digest
    FROM metering_statuschange change WHERE change.tenant_id = tenant AND change.idempotency_key = key;
    SELECT fact.id, fact.pricing, fact.pricing_note, fact.pricing_fields::text, fact.occurred_at,
        coalesce(earlier.first_digest, fact.facts_digest)
    INTO earlier.fact_id, earlier.pricing, earlier.pricing_note, earlier.pricing_fields, earlier.occurred_at, earlier.first_digest
    FROM (SELECT) AS always LEFT JOIN metering_fact fact ON fact.tenant_id = tenant AND fact.idempotency_key = key;
    SELECT cost.id, coalesce(earlier.first_digest, cost.facts_digest) INTO earlier.cost_id, earlier.first_digest
    FROM (SELECT) AS always LEFT JOIN metering_cost cost ON cost.tenant_id = tenant AND cost.idempotency_key = key;
    earlier.id := coalesce(earlier.change_id, earlier.fact_id, earlier.cost_id);
    earlier.outcome := CASE WHEN earlier.id IS NOT NULL THEN 'exists' END;
    RETURN earlier;
END
$$;
