-- Moves the windows of counters on after a decision that counts nothing. The next decision then needn't sum the same entries again.
-- Takes: the tenant, what was measured, and the moment. Returns: nothing.
-- Locks: the counters, which the caller has locked. Never: counts or forgets anything else.
CREATE OR REPLACE FUNCTION rules_move_tails(tenant uuid, measured rules_measured[], moment timestamptz)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE rules_rulecounter AS counter
    SET used = rules_sum_after_tail(tenant, counter, one.tail_at), tail_at = one.tail_at, last_at = greatest(counter.last_at, moment)
    FROM unnest(measured) AS one
    WHERE counter.tenant_id = tenant AND counter.id = one.counter_id AND one.tail_at > counter.tail_at;
END
$$;
