-- Writes the events of a counter that went up: spending_rule.threshold_reached, once in a window for each share of a limit that the rule
-- names in notify_at, and spending_rule.exceeded, where what is used came above the limit, by how much.
--
-- Takes: the tenant, the request id of the posting, the counter's measure and group, what it held before and holds now, where its window
-- begins, a moment in that window, and the moment of the change.
-- Returns: nothing.
-- Locks: as events_insert; the caller has locked the counter, so two calls don't report one crossing.
-- Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION rules_report_limits(
    tenant uuid, request text, measure uuid, counted_group text, used_before numeric, used_now numeric, tail_at timestamptz,
    last_at timestamptz, moment timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    patterns CONSTANT text[] := events_wanted_patterns(tenant, request);
    crossed record;
    named_group jsonb;
    checked jsonb;
    ends_at timestamptz;
    items events_item[] := '{}';
BEGIN
    IF used_now <= used_before OR patterns IS NULL THEN
        RETURN;
    END IF;
    FOR crossed IN
        SELECT counted.id, counted.rule_id, counted.limit_value, crossing.type, crossing.share
        FROM rules_ruleparameter AS counted
        JOIN rules_spendingrule AS rule ON rule.tenant_id = tenant AND rule.id = counted.rule_id AND rule.status = 'active'
        CROSS JOIN LATERAL (
            SELECT 'spending_rule.threshold_reached' AS type, notified.share, notified.ordinal
            FROM unnest(rule.notify_at) WITH ORDINALITY AS notified (share, ordinal)
            WHERE used_before < notified.share * counted.limit_value AND used_now >= notified.share * counted.limit_value
            UNION ALL
            SELECT 'spending_rule.exceeded', NULL, NULL WHERE used_before <= counted.limit_value AND used_now > counted.limit_value
        ) AS crossing
        WHERE counted.tenant_id = tenant AND counted.measure_id = measure AND counted.removed_at IS NULL
            AND events_wanted(patterns, crossing.type)
        ORDER BY counted.id, crossing.ordinal
    LOOP
        named_group := rules_named_group(tenant, crossed.id, counted_group::jsonb);
        CONTINUE WHEN crossed.share IS NOT NULL
            AND rules_last_report_at(tenant, crossed.type, crossed.rule_id, named_group, crossed.id, crossed.share) > tail_at;
        SELECT reached.ends_at INTO ends_at
        FROM rules_rulemeasure AS seen CROSS JOIN LATERAL rules_window(seen, last_at) AS reached
        WHERE seen.tenant_id = tenant AND seen.id = measure;
        checked := jsonb_build_object('parameter', crossed.id, 'limit', crossed.limit_value, 'used', used_now, 'endsAt', ends_at);
        items := items || ROW(
            crossed.type, 'rule:' || crossed.rule_id, events_moment_number(moment), moment, crossed.rule_id::text,
            (rules_event_object(tenant, crossed.rule_id, checked, named_group) || CASE
                WHEN crossed.share IS NOT NULL THEN jsonb_build_object('threshold', trim_scale(crossed.share)::text)
                ELSE jsonb_build_object('exceededBy', ((used_now - crossed.limit_value)::numeric(60, 18))::text)
            END)::json
        )::events_item;
    END LOOP;
    IF cardinality(items) > 0 THEN
        PERFORM events_insert(tenant, items);
    END IF;
END
$$;
