-- What is used of a rule's limits now, for the groups that have used most.
-- Takes: the tenant, the rule, and how many groups of each limit.
-- Returns: for each current limit with a window its groups: the sum, the window, and when the newest and the oldest of its entries leave
-- it. A limit without any spending has one row without a group. Locks: nothing: a decision under way isn't seen. Never: writes.
CREATE OR REPLACE FUNCTION rules_read_usage(tenant uuid, rule uuid, at_most integer)
RETURNS TABLE (
    parameter_id uuid, group_key text, used numeric, tail_at timestamptz, ends_at timestamptz, newest_at timestamptz,
    empty_at timestamptz, next_at timestamptz
)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT parameter.id, counter.group_key, coalesce(rules_sum_after_tail(tenant, counter, span.tail_at), 0), span.tail_at, span.ends_at,
        dated.newest, coalesce(span.ends_at, rules_entry_leaves_at(measure, dated.newest)), rules_entry_leaves_at(measure, dated.oldest)
    FROM rules_ruleparameter AS parameter
    JOIN rules_rulemeasure AS measure ON measure.tenant_id = tenant AND measure.id = parameter.measure_id
    LEFT JOIN LATERAL (
        SELECT seen.* FROM rules_rulecounter AS seen
        WHERE seen.tenant_id = tenant AND seen.measure_id = measure.id
        ORDER BY seen.used DESC, seen.id LIMIT at_most
    ) AS counter ON true
    CROSS JOIN LATERAL (
        SELECT greatest(counter.tail_at, reached.tail_at) AS tail_at, reached.ends_at
        FROM rules_window(measure, greatest(ledger_now(), counter.last_at)) AS reached
    ) AS span
    CROSS JOIN LATERAL (
        SELECT max(entry.at) AS newest, min(entry.at) AS oldest FROM rules_rulecounterentry AS entry
        WHERE entry.tenant_id = tenant AND entry.counter_id = counter.id AND entry.at > span.tail_at
    ) AS dated
    WHERE parameter.tenant_id = tenant AND parameter.rule_id = rule AND parameter.removed_at IS NULL
    ORDER BY parameter.created_at, parameter.id, 3 DESC, counter.id;
END
$$;
