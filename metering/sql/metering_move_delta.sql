-- What a move to another status adds to the sums.
-- Takes: the transaction's row and the move. Returns: the change. Locks nothing.
CREATE OR REPLACE FUNCTION metering_move_delta(owner metering_transaction, move metering_new_move)
RETURNS metering_delta
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    change metering_delta;
BEGIN
    change.occurred_at := owner.occurred_at;
    change.service_id := owner.service_id;
    change.agent_id := owner.agent_id;
    change.currency := '';
    change.transactions := 0;
    change.succeeded := (move.outcome IS NOT DISTINCT FROM 'success')::integer;
    change.failed := (move.outcome IS NOT DISTINCT FROM 'error')::integer;
    change.denied := (move.to_status = 'denied')::integer;
    change.cancelled := (move.to_status = 'cancelled')::integer;
    change.costs := 0;
    change.amount := 0;
    change.estimated := 0;
    RETURN change;
END
$$;
