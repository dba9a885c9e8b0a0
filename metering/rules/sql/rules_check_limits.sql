-- Compares a transaction with the limits of one rule.
-- Takes: the tenant, the rule and its number for people, the transaction, and what is measured (as rules_read_counters returns it).
-- Returns: a JSON array with one object for each limit that applies: parameter, measure, limit, used, amount (null: unknown), group,
-- tailAt, endsAt, isAllowed and, where it refuses, reason. A limit refuses what would take it above its value, and what has no known cost
-- once it is used up. Raises an error where a limit isn't counted: a rule that can't be decided lets nothing through.
-- Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION rules_check_limits(tenant uuid, rule uuid, label text, subject rules_subject, measured rules_measured[])
RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    parameter rules_ruleparameter;
    measured_row rules_measured;
    used numeric;
    amount numeric;
    is_allowed boolean;
    has_room boolean;
    checked jsonb := '[]';
BEGIN
    FOR parameter IN
        SELECT * FROM rules_ruleparameter AS seen
        WHERE seen.tenant_id = tenant AND seen.rule_id = rule AND seen.removed_at IS NULL
        ORDER BY seen.created_at, seen.id
    LOOP
        -- A further round asks for a payment of the same call: it isn't a second call.
        CONTINUE WHEN subject.round > 1 AND parameter.measurement_type = 'count_transactions';
        CONTINUE WHEN subject.payment_amount IS NULL AND parameter.measurement_type IN ('sum_payment_amount', 'this_payment_amount');
        measured_row := NULL;
        has_room := true;
        used := 0;
        IF parameter.interval_unit IS NULL THEN
            amount := rules_measured_amount(subject, parameter.measurement_type, parameter.currency, parameter.include_estimates);
        ELSE
            SELECT * INTO measured_row FROM unnest(measured) AS found WHERE found.measure_id = parameter.measure_id;
            IF measured_row.measure_id IS NULL THEN
                RAISE EXCEPTION 'parameter % of rule % is not counted', parameter.id, label;
            END IF;
            used := measured_row.used;
            amount := measured_row.amount;
            -- Without a counter the measure has too many groups already (rules_lock_counters).
            has_room := measured_row.counter_id IS NOT NULL;
        END IF;
        is_allowed := has_room AND CASE
            WHEN amount IS NULL THEN used < parameter.limit_value
            ELSE used + amount <= parameter.limit_value
        END;
        checked := checked || (jsonb_build_object(
            'parameter', parameter.id, 'measure', parameter.measure_id, 'limit', parameter.limit_value, 'used', used, 'amount', amount,
            'group', measured_row.group_key::jsonb, 'tailAt', measured_row.tail_at, 'endsAt', measured_row.ends_at, 'isAllowed', is_allowed
        ) || CASE
            WHEN is_allowed THEN '{}'::jsonb
            WHEN has_room THEN jsonb_build_object('reason', rules_limit_reason(parameter, used, amount))
            ELSE jsonb_build_object('reason', format('Rule %s has too many groups', label))
        END);
    END LOOP;
    RETURN checked;
END
$$;
