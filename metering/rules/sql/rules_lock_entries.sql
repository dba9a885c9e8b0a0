-- Locks the counters in which transactions have entries.
-- Takes: the tenant and the transactions. Returns: nothing. Locks: the counters, by id. Never: counts anything.
CREATE OR REPLACE FUNCTION rules_lock_entries(tenant uuid, transactions uuid[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM counter.id
    FROM rules_rulecounter AS counter
    WHERE counter.tenant_id = tenant AND counter.id = ANY (ARRAY(
        SELECT entry.counter_id FROM rules_rulecounterentry AS entry
        WHERE entry.tenant_id = tenant AND entry.transaction_id = ANY (transactions)
    ))
    ORDER BY counter.id
    FOR NO KEY UPDATE;
END
$$;
