-- Finds or makes the measure of a limit, and begins to count it.
-- Takes: the tenant, the parameter, the rule's agents and conditions, and how many transactions may be counted at once.
-- Returns: the measure's id. Limits that measure the same get the same measure, whatever their value: what they have used stays used.
-- Locks: the measure. The caller holds the tenant's rules alone, so nothing is posted meanwhile. Never: counts a measure twice.
CREATE OR REPLACE FUNCTION rules_link_measure(
    tenant uuid, parameter rules_ruleparameter, agents uuid[], conditions jsonb, most_rows integer
)
RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    measure rules_rulemeasure;
    is_whole CONSTANT boolean := parameter.measurement_scope = 'all' OR (cardinality(agents) = 0 AND conditions = '[]');
    sums_money CONSTANT boolean := parameter.measurement_type <> 'count_transactions';
    is_local CONSTANT boolean := parameter.interval_unit = 'months'
        OR (NOT parameter.is_rolling AND parameter.interval_unit IN ('days', 'weeks'));
    known boolean;
BEGIN
    measure.measurement_type := parameter.measurement_type;
    measure.interval_value := parameter.interval_value;
    measure.interval_unit := parameter.interval_unit;
    measure.is_rolling := parameter.is_rolling;
    measure.time_zone := CASE WHEN is_local THEN parameter.time_zone ELSE 'UTC' END;
    measure.currency := CASE WHEN sums_money THEN parameter.currency ELSE '' END;
    measure.group_by := coalesce(parameter.group_by, '{}');
    measure.scope := CASE WHEN is_whole THEN 'all' ELSE 'rule' END;
    measure.include_estimates := parameter.include_estimates OR parameter.measurement_type <> 'sum_transaction_costs';
    measure.conditions := CASE WHEN is_whole THEN '[]' ELSE conditions END;
    measure.agent_ids := CASE WHEN is_whole THEN '{}' ELSE agents END;
    measure.key_digest := sha256(convert_to(jsonb_build_array(
        measure.measurement_type, measure.interval_value, measure.interval_unit, measure.is_rolling, measure.time_zone, measure.currency,
        measure.group_by, measure.scope, measure.include_estimates, measure.conditions::jsonb, measure.agent_ids
    )::text, 'UTF8'));
    SELECT found.id, found.is_counting INTO measure.id, known
    FROM rules_rulemeasure AS found
    WHERE found.tenant_id = tenant AND found.key_digest = measure.key_digest
    FOR NO KEY UPDATE;
    IF measure.id IS NULL THEN
        INSERT INTO rules_rulemeasure (
            id, tenant_id, key_digest, measurement_type, interval_value, interval_unit, is_rolling, time_zone, currency, group_by, scope,
            include_estimates, conditions, agent_ids, is_counting, is_seeding, groups
        ) VALUES (
            ledger_new_id(), tenant, measure.key_digest, measure.measurement_type, measure.interval_value, measure.interval_unit,
            measure.is_rolling, measure.time_zone, measure.currency, measure.group_by, measure.scope, measure.include_estimates,
            measure.conditions, measure.agent_ids, true, false, 0
        )
        RETURNING id INTO measure.id;
    ELSE
        UPDATE rules_rulemeasure AS stored SET is_counting = true, retire_at = NULL
        WHERE stored.tenant_id = tenant AND stored.id = measure.id;
    END IF;
    IF known IS NOT TRUE THEN
        PERFORM rules_seed(tenant, measure.id, most_rows);
    END IF;
    RETURN measure.id;
END
$$;
