-- Finds who had each posting's key before, in the book or earlier in the array, its service, agent and trace, and decides whether the
-- transaction may go ahead. What isn't known stays null; a trace of the transaction's own is known already.
CREATE OR REPLACE FUNCTION metering_find_names(items metering_posting[]) RETURNS metering_known[] LANGUAGE plpgsql STABLE
AS $$
DECLARE
    known metering_known[];
    keys bigint;
    different_keys bigint;
    again record;
BEGIN
    SELECT array_agg(ROW(
               CASE
                   WHEN prior.id IS NOT NULL AND prior.facts_digest <> decode(item.digest, 'hex') THEN 'conflict'
                   WHEN prior.id IS NOT NULL THEN 'replayed'
                   WHEN item.agent_id IS NOT NULL AND item.agent_name IS NULL AND named.id IS NULL THEN 'unknown_agent'
                   WHEN service.id IS NULL OR trace.id IS NULL OR (item.agent_name IS NOT NULL AND named.id IS NULL AND called.id IS NULL)
                       THEN 'unnamed'
                   ELSE 'posted'
               END,
               prior.id, prior.facts_digest, service.id, agent.whole, trace.id, trace.reference, trace.external_id,
               metering_decided(item.status, agent.whole, policy.authorizes_at_once), metering_decline_reason(item.status, agent.whole)
           )::metering_known ORDER BY item.ordinality),
           count(item.idempotency_key), count(DISTINCT item.idempotency_key)
    INTO known, keys, different_keys
    FROM unnest(items) WITH ORDINALITY item
    -- OFFSET keeps each look-up what it says: a probe for each posting.
    LEFT JOIN LATERAL (
        SELECT seen.id, seen.facts_digest FROM metering_transaction seen
        WHERE seen.tenant_id = item.tenant_id AND seen.idempotency_key = item.idempotency_key
        OFFSET 0
    ) prior ON item.idempotency_key IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id FROM metering_service seen
        WHERE seen.tenant_id = item.tenant_id AND seen.name = item.service_name
        OFFSET 0
    ) service ON true
    LEFT JOIN LATERAL (
        SELECT seen.id, seen AS whole FROM metering_agent seen
        WHERE seen.id = item.agent_id AND seen.tenant_id IS NOT DISTINCT FROM item.tenant_id
        OFFSET 0
    ) named ON item.agent_id IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id, seen AS whole FROM metering_agent seen
        WHERE seen.tenant_id = item.tenant_id AND seen.name = item.agent_name
        OFFSET 0
    ) called ON item.agent_name IS NOT NULL AND named.id IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(named.whole, called.whole) AS whole) agent
    LEFT JOIN LATERAL (
        SELECT seen.id, seen.reference, seen.external_id FROM metering_trace seen
        WHERE seen.tenant_id = item.tenant_id AND seen.reference = item.trace_reference
        OFFSET 0
    ) referred ON item.trace_reference IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT seen.id, seen.reference, seen.external_id FROM metering_trace seen
        WHERE seen.tenant_id = item.tenant_id AND seen.external_id = item.trace_external_id
        OFFSET 0
    ) external ON item.trace_reference IS NULL AND item.trace_external_id IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT CASE WHEN item.trace_reference IS NULL AND item.trace_external_id IS NULL THEN item.new_trace_id END AS own
    ) new
    CROSS JOIN LATERAL (
        SELECT coalesce(new.own, referred.id, external.id) AS id, coalesce(new.own, referred.reference, external.reference) AS reference,
               coalesce(referred.external_id, external.external_id) AS external_id
    ) trace
    LEFT JOIN LATERAL (
        SELECT seen.authorizes_at_once FROM metering_policy seen WHERE seen.tenant_id = item.tenant_id OFFSET 0
    ) policy ON item.status IS NULL;

    IF different_keys < keys THEN
        -- Of several with one key the first that goes ahead is what the later ones repeat; a refused one doesn't burn its key for them.
        FOR again IN
            SELECT place, first FROM (
                SELECT ordinality AS place,
                    min(ordinality) FILTER (WHERE verdict IN ('posted', 'unnamed')) OVER (PARTITION BY tenant_id, idempotency_key) AS first
                FROM unnest(items, known) WITH ORDINALITY
                WHERE idempotency_key IS NOT NULL
            ) same
            WHERE place > first
        LOOP
            known[again.place].verdict := CASE
                WHEN items[again.place].digest = items[again.first].digest THEN 'replayed' ELSE 'conflict'
            END;
            known[again.place].first_id := items[again.first].id;
            known[again.place].first_digest := decode(items[again.first].digest, 'hex');
        END LOOP;
    END IF;
    RETURN known;
END
$$;
