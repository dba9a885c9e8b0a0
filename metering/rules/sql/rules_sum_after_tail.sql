-- What a counter holds once its window has moved on.
-- Takes: the tenant, the locked counter, and the new tail, which isn't before the old one.
-- Returns: the sum of its entries after that tail: the old sum without those that left, or the sum of those that stay, whichever are
-- fewer by their dates. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION rules_sum_after_tail(tenant uuid, counter rules_rulecounter, new_tail timestamptz)
RETURNS numeric
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF new_tail <= counter.tail_at THEN
        RETURN counter.used;
    END IF;
    IF new_tail - counter.tail_at < counter.last_at - new_tail THEN
        RETURN counter.used - coalesce((
            SELECT sum(entry.amount) FROM rules_rulecounterentry AS entry
            WHERE entry.tenant_id = tenant AND entry.counter_id = counter.id AND entry.at > counter.tail_at AND entry.at <= new_tail
        ), 0);
    END IF;
    RETURN coalesce((
        SELECT sum(entry.amount) FROM rules_rulecounterentry AS entry
        WHERE entry.tenant_id = tenant AND entry.counter_id = counter.id AND entry.at > new_tail
    ), 0);
END
$$;
