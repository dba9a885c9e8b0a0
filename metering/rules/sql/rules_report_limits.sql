-- Writes the events of a counter that went up: spending_rule.threshold_reached, once in a window for each share of a limit that the rule
-- names in notify_at, and spending_rule.exceeded, where what is used came above the limit, by how much.
-- Takes: the tenant, the request id of the posting, the counter's measure and group, what it held before and holds now, where its
-- window begins, a moment in that window, and the moment of the change.
-- Returns: nothing.
-- Locks: as events_insert; the caller has locked the counter, so two calls don't report one crossing. Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION rules_report_limits(
    tenant uuid, request text, measure uuid, counted_group text, used_before numeric, used_now numeric, tail_at timestamptz,
    last_at timestamptz, moment timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    patterns CONSTANT text[] := events_patterns(tenant, request);
    parameter record;
    share numeric;
    checked jsonb;
    ends_at timestamptz;
BEGIN
    IF used_now <= used_before OR patterns IS NULL THEN
        RETURN;
    END IF;
    SELECT reached.ends_at INTO ends_at
    FROM rules_rulemeasure AS seen CROSS JOIN LATERAL rules_window(seen, last_at) AS reached
    WHERE seen.tenant_id = tenant AND seen.id = measure;
    FOR parameter IN
        SELECT counted.id, counted.rule_id, counted.limit_value, rule.notify_at
        FROM rules_ruleparameter AS counted
        JOIN rules_spendingrule AS rule ON rule.tenant_id = tenant AND rule.id = counted.rule_id AND rule.status = 'active'
        WHERE counted.tenant_id = tenant AND counted.measure_id = measure AND counted.removed_at IS NULL
        ORDER BY counted.id
    LOOP
        checked := jsonb_build_object(
            'parameter', parameter.id, 'limit', parameter.limit_value, 'used', used_now, 'group', counted_group::jsonb, 'endsAt', ends_at
        );
        FOREACH share IN ARRAY coalesce(parameter.notify_at, '{}') LOOP
            CONTINUE WHEN used_before >= share * parameter.limit_value OR used_now < share * parameter.limit_value;
            CONTINUE WHEN NOT events_wanted(patterns, 'spending_rule.threshold_reached');
            CONTINUE WHEN rules_reported_at(
                tenant, 'spending_rule.threshold_reached', parameter.rule_id, counted_group::jsonb, share
            ) > tail_at;
            PERFORM events_write(
                tenant, 'spending_rule.threshold_reached', 'rule:' || parameter.rule_id, events_moment_number(moment), moment,
                parameter.rule_id::text,
                (rules_report(tenant, parameter.rule_id, checked) || jsonb_build_object('threshold', trim_scale(share)::text))::json
            );
        END LOOP;
        IF used_before <= parameter.limit_value AND used_now > parameter.limit_value THEN
            PERFORM events_write(
                tenant, 'spending_rule.exceeded', 'rule:' || parameter.rule_id, events_moment_number(moment), moment, parameter.rule_id::text,
                (rules_report(tenant, parameter.rule_id, checked)
                    || jsonb_build_object('exceededBy', ((used_now - parameter.limit_value)::numeric(60, 18))::text))::json
            );
        END IF;
    END LOOP;
END
$$;
