-- Whether a transaction's status allows what is to be added to it.
-- Takes: the locked transaction's row (all null: there is none), the item, and the present moment.
-- Returns: the outcome that refuses it, as metering_amend says, or null. Locks nothing.
CREATE OR REPLACE FUNCTION metering_refuse_amendment(owner metering_transaction, item metering_amendment, moment timestamptz)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    RETURN CASE
        WHEN owner.id IS NULL THEN 'not_found'
        WHEN (item.move).id IS NOT NULL AND NOT CASE (item.move).round - owner.round
            WHEN 1 THEN metering_begins_round(owner.status, (item.move).to_status)
            ELSE metering_may_move(owner.status, (item.move).to_status)
        END THEN 'wrong_status'
        WHEN (item.move).stale_after IS NOT NULL AND owner.authorized_at >= moment - (item.move).stale_after THEN 'not_stale'
        WHEN ((item.fact).id IS NOT NULL OR (item.cost).id IS NOT NULL) AND owner.status IN ('denied', 'cancelled') THEN 'not_open'
    END;
END
$$;
