-- The counters that measures need.
-- Takes: the tenant and what is measured. Returns: the same with the id of each counter that exists. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_find_counters(tenant uuid, measured rules_measured[])
RETURNS rules_measured[]
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            wanted.measure_id, wanted.group_key, wanted.group_digest, wanted.amount, counter.id, NULL, NULL, NULL
        )::rules_measured
        FROM unnest(measured) WITH ORDINALITY AS wanted
        LEFT JOIN LATERAL (
            SELECT found.id FROM rules_rulecounter AS found
            WHERE found.tenant_id = tenant AND found.measure_id = wanted.measure_id AND found.group_digest = wanted.group_digest
            OFFSET 0
        ) AS counter ON true
        ORDER BY wanted.ordinality
    );
END
$$;
