-- Inserts the posted entries of an array, flagging those that look like a repetition of another. Twin of the INSERT in billing_post, which
-- writes a single posting: a new column of billing_transaction goes into both.
--
-- Takes: the tenant, its postings and the decisions on them. Returns: nothing.
-- Locks: nothing beyond the new rows. A key that another call took meanwhile breaks billing_transaction_reference_key, and the caller makes
-- the whole call again.
-- Never: writes a posting that was refused.
CREATE OR REPLACE FUNCTION billing_write_entries(tenant uuid, items billing_posting[], decisions billing_decision[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    reach interval;
BEGIN
    SELECT billing_near_duplicate_reach(max(policy.near_duplicate_seconds)) INTO reach
    FROM billing_policy policy WHERE policy.tenant_id = tenant;

    INSERT INTO billing_transaction (
        id, tenant_id, wallet_id, currency, entry_number, type, direction, amount, effect, balance_after, reference_id, agent_id,
        description, metadata, occurred_at, created_at, reverses_id, reason_code, reason, reversed_amount, flags, near_duplicate_of_id,
        duplicate_bucket, facts_digest, actor, request_id)
    SELECT line.id, tenant, line.wallet_id, line.wallet_currency, line.entry_number, line.entry_type, line.entry_direction,
        line.entry_amount, line.entry_effect, line.balance, line.reference_id, line.entry_agent_id, line.description, line.metadata::json,
        line.happened_at, line.entry_time, line.reverses, coalesce(line.reason_code, ''), coalesce(line.reason, ''), 0,
        CASE WHEN coalesce(earlier.id, line.neighbour_id) IS NULL THEN '{}'::text[] ELSE '{near_duplicate}'::text[] END,
        coalesce(earlier.id, line.neighbour_id),
        billing_duplicate_bucket(billing_hour(line.happened_at), line.entry_type, line.entry_amount, line.entry_agent_id),
        decode(line.facts_digest, 'hex'), line.actor, line.request_id
    FROM (
        -- Of two entries of one call that look alike, the later one is flagged: `neighbour_id` is the one just before it in time.
        SELECT posted.*,
            CASE WHEN posted.reverses IS NULL AND reach > interval '0'
                AND lag(posted.happened_at) OVER alike >= posted.happened_at - reach THEN lag(posted.id) OVER alike END AS neighbour_id
        FROM (
            SELECT line.*, line.entry_occurred_at AS happened_at
            FROM ROWS FROM (unnest(items), unnest(decisions)) WITH ORDINALITY AS line
            WHERE line.outcome = 'posted'
        ) AS posted
        WINDOW alike AS (
            PARTITION BY posted.wallet_id, posted.entry_type COLLATE "C", posted.entry_amount, posted.entry_agent_id COLLATE "C",
                posted.reverses IS NULL
            ORDER BY posted.happened_at, posted.ordinality
        )
    ) AS line
    LEFT JOIN LATERAL billing_find_near_duplicate(
        tenant, line.wallet_id, line.entry_type, line.entry_amount, line.entry_agent_id, line.happened_at,
        CASE WHEN line.reverses IS NULL THEN reach ELSE interval '0' END
    ) AS earlier ON true
    ORDER BY line.ordinality;
END;
$$;
