-- The moment of a decision: now, but never before the last decision on one of its counters, so that a clock that steps back widens no
-- window.
-- Takes: the tenant, and what is measured, whose counters the caller has locked. Returns: the moment. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_decision_moment(tenant uuid, measured rules_measured[])
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN greatest(ledger_now(), (
        SELECT max(counter.last_at) FROM rules_rulecounter AS counter
        WHERE counter.tenant_id = tenant AND counter.id = ANY (ARRAY(SELECT one.counter_id FROM unnest(measured) AS one))
    ));
END
$$;
