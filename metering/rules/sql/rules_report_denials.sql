-- Writes the events of denials (spending_rule.denied), at most one a minute for each rule and group: a caller that repeats a denied call
-- in a loop would send too many.
-- Takes: the tenant, the request id of the posting, the executions of a denied decision, and its moment. Returns: nothing.
-- Locks: for each rule and group that is reported an advisory lock, without waiting: whom another call reports at this moment is passed
-- over.
-- Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION rules_report_denials(tenant uuid, request text, executions jsonb, moment timestamptz)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    kind CONSTANT text := 'spending_rule.denied';
    denial record;
    latest timestamptz;
    items events_item[] := '{}';
BEGIN
    IF events_wanted(events_wanted_patterns(tenant, request), kind) IS NOT TRUE THEN
        RETURN;
    END IF;
    FOR denial IN
        SELECT DISTINCT ON (execution ->> 'rule', checked -> 'group')
            (execution ->> 'rule')::uuid AS rule_id, execution ->> 'reason' AS reason, checked AS checked,
            rules_named_group(tenant, (checked ->> 'parameter')::uuid, checked -> 'group') AS named_group
        FROM jsonb_array_elements(executions) AS execution
        LEFT JOIN LATERAL jsonb_path_query(execution, '$.limits[*] ? (@.isAllowed == false)') AS checked ON true
        WHERE execution ->> 'decision' = 'DENIED'
    LOOP
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended(denial.rule_id::text || coalesce(denial.named_group::text, ''), 7002));
        latest := rules_last_report_at(tenant, kind, denial.rule_id, denial.named_group, NULL, NULL);
        CONTINUE WHEN latest > moment - interval '1 minute';
        items := items || ROW(
            kind, 'rule:' || denial.rule_id, events_moment_number(moment), moment, denial.rule_id::text,
            (rules_event_object(tenant, denial.rule_id, denial.checked, denial.named_group) || jsonb_build_object(
                'reason', denial.reason, 'denials', (
                    SELECT count(*) FROM rules_ruleexecution AS execution
                    WHERE execution.tenant_id = tenant AND execution.rule_id = denial.rule_id
                        AND execution.created_at > coalesce(latest, moment - interval '1 minute')
                )
            ))::json
        )::events_item;
    END LOOP;
    IF cardinality(items) > 0 THEN
        PERFORM events_insert(tenant, items);
    END IF;
END
$$;
