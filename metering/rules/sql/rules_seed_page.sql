-- Counts transactions from before a measure: an entry for each that was let through within the window and has none yet.
-- Takes: the tenant, the measure, and the transactions, whose locks the caller holds unless it holds the tenant's rules alone.
-- Returns: how many entries were made.
-- Locks: the counters (rules_lock_counters). Never: changes an entry that exists.
CREATE OR REPLACE FUNCTION rules_seed_page(tenant uuid, measure rules_rulemeasure, transactions uuid[])
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    measured rules_measured[];
    ids uuid[];
    dates timestamptz[];
    entered integer;
BEGIN
    SELECT array_agg(one.measured ORDER BY one.id), array_agg(one.id ORDER BY one.id), array_agg(one.dated ORDER BY one.id)
    INTO measured, ids, dates
    FROM (
        SELECT past.id, past.dated, ROW(
            measure.id, key.written, sha256(convert_to(key.written, 'UTF8')),
            rules_measured_amount(past.subject, measure.measurement_type, measure.currency, measure.include_estimates),
            NULL, NULL, NULL, NULL
        )::rules_measured AS measured
        FROM rules_list_history(tenant, measure, transactions) AS past
        CROSS JOIN LATERAL (SELECT rules_group_key(past.subject, measure.group_by) AS written) AS key
    ) AS one;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    measured := rules_lock_counters(tenant, measured, NULL);
    WITH entries AS (
        INSERT INTO rules_rulecounterentry (id, tenant_id, counter_id, transaction_id, at, amount)
        SELECT ledger_new_id(), tenant, one.counter_id, one.transaction, one.dated, coalesce(one.amount, 0)
        FROM unnest(measured, ids, dates) AS one (
            measure_id, group_key, group_digest, amount, counter_id, used, tail_at, ends_at, transaction, dated
        )
        WHERE one.counter_id IS NOT NULL
        ON CONFLICT (tenant_id, transaction_id, counter_id) DO NOTHING
        RETURNING counter_id, at, amount
    ), sums AS (
        SELECT made.counter_id, sum(made.amount) FILTER (WHERE made.at > counter.tail_at) AS amount, max(made.at) AS newest,
            count(*) AS number
        FROM entries AS made
        JOIN rules_rulecounter AS counter ON counter.tenant_id = tenant AND counter.id = made.counter_id
        GROUP BY made.counter_id
    ), added AS (
        UPDATE rules_rulecounter AS counter SET used = counter.used + coalesce(sums.amount, 0)
        FROM sums WHERE counter.tenant_id = tenant AND counter.id = sums.counter_id
    )
    SELECT coalesce(sum(sums.number), 0) INTO entered FROM sums;
    RETURN entered;
END
$$;
