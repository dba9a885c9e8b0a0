-- What a move to another status adds to the sums.
-- Takes: the transaction's row and the move. Returns: the change. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_move_delta(owner metering_transaction, move metering_new_move)
RETURNS metering_delta
LANGUAGE sql IMMUTABLE
AS $$
    -- In the order of metering_delta's attributes.
    SELECT ROW(
        owner.occurred_at, owner.service_id, owner.agent_id, '', 0, (move.call_outcome IS NOT DISTINCT FROM 'success')::integer,
        (move.call_outcome IS NOT DISTINCT FROM 'error')::integer, (move.to_status = 'denied')::integer,
        (move.to_status = 'cancelled')::integer, 0, 0, 0
    )::metering_delta
$$;
