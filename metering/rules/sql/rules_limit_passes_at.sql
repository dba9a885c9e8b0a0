-- The soonest moment at which a limit would let through what it refuses now, if nothing else is spent meanwhile.
--
-- Takes: the tenant, the transaction, the measure, its counter's tail, and how much must leave the window.
-- Returns: the moment; null where more must leave than the window holds, or more entries than are looked at (10,000).
-- Locks: nothing.
-- Never: writes.
CREATE OR REPLACE FUNCTION rules_limit_passes_at(
    tenant uuid, transaction uuid, measure rules_rulemeasure, counter uuid, tail timestamptz, excess numeric
)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN rules_entry_leaves_at(measure, (
        SELECT oldest.at
        FROM (
            SELECT entry.at, sum(entry.amount) OVER (ORDER BY entry.at, entry.id ROWS UNBOUNDED PRECEDING) AS freed
            FROM rules_rulecounterentry AS entry
            WHERE entry.tenant_id = tenant AND entry.counter_id = counter AND entry.at > tail AND entry.transaction_id <> transaction
            ORDER BY entry.at, entry.id
            LIMIT 10000
        ) AS oldest
        WHERE oldest.freed >= excess
        ORDER BY oldest.at
        LIMIT 1
    ));
END
$$;
