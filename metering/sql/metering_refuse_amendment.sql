-- Whether a transaction's status allows what is to be added to it.
-- Takes: the locked transaction's row (all null: there is none), the item, the present moment, and the tenant's policy (all null: there is
-- none).
-- Returns: the outcome that refuses it, as metering_amend says, or null. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_refuse_amendment(
    owner metering_transaction, item metering_amendment, moment timestamptz, policy metering_policy
)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN CASE
        WHEN owner.id IS NULL THEN 'not_found'
        WHEN item.checks_occurred_at AND metering_is_out_of_bounds(
            item.occurred_at, moment, policy.backdating_limit, policy.postdating_limit
        )
            THEN 'out_of_bounds'
        WHEN (item.move).id IS NOT NULL AND NOT CASE (item.move).round - owner.round
            WHEN 1 THEN metering_begins_round(owner.status, (item.move).to_status)
            ELSE metering_may_move(owner.status, (item.move).to_status)
        END THEN 'wrong_status'
        WHEN (item.move).stale_after IS NOT NULL AND owner.authorized_at >= moment - (item.move).stale_after THEN 'not_stale'
        WHEN ((item.fact).id IS NOT NULL OR (item.cost).id IS NOT NULL) AND owner.status IN ('denied', 'cancelled') THEN 'not_open'
    END;
END
$$;
