-- Makes a change of a rule count for the next decision: its limits get their measures, measures that nobody needs any more get a day until
-- they are dropped, and the tenant's policy says whether there is anything to decide or to count.
-- Takes: the tenant, the rule, who changed it, and how many transactions of history may be counted at once.
-- Returns: nothing.
-- Locks: the tenant's rules, alone: it waits for every posting of the tenant under way, and none begins until this transaction ends.
-- Never: changes the rule's definition.
CREATE OR REPLACE FUNCTION rules_apply_change(tenant uuid, changed uuid, actor text, most_rows integer)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    rule rules_spendingrule;
    parameter rules_ruleparameter;
    agents uuid[];
    conditions jsonb;
    linked uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(rules_lock_number(tenant));
    SELECT * INTO rule FROM rules_spendingrule AS seen WHERE seen.tenant_id = tenant AND seen.id = changed;
    IF rule.status = 'active' AND rule.rule_type = 'usage_limit' THEN
        agents := ARRAY(
            SELECT chosen.agent_id FROM rules_agentrule AS chosen
            WHERE chosen.tenant_id = tenant AND chosen.rule_id = changed AND chosen.removed_at IS NULL
            ORDER BY chosen.agent_id
        );
        conditions := rules_read_conditions(tenant, changed);
        FOR parameter IN
            SELECT * FROM rules_ruleparameter AS seen
            WHERE seen.tenant_id = tenant AND seen.rule_id = changed AND seen.removed_at IS NULL AND seen.interval_unit IS NOT NULL
            ORDER BY seen.id
        LOOP
            linked := rules_link_measure(tenant, parameter, agents, conditions, most_rows);
            UPDATE rules_ruleparameter AS stored SET measure_id = linked
            WHERE stored.tenant_id = tenant AND stored.id = parameter.id AND stored.measure_id IS DISTINCT FROM linked;
        END LOOP;
    END IF;
    UPDATE rules_rulemeasure AS measure SET retire_at = ledger_now() + interval '24 hours'
    WHERE measure.tenant_id = tenant AND measure.is_counting AND measure.retire_at IS NULL AND NOT rules_is_needed(tenant, measure.id);
    PERFORM rules_mark_seeding(tenant);
    PERFORM rules_mark_policy(tenant, actor);
END
$$;
