-- Moves a locked transaction to another status and records the step in its history. The date of the status is when the step happened.
-- Takes: the tenant, the item with the move, the transaction's row, and the moment. Returns: nothing.
-- Locks: the transaction, which the caller has locked. Never: moves it where metering_may_move or metering_begins_round doesn't allow it (a
-- trigger checks again).
CREATE OR REPLACE FUNCTION metering_insert_move(tenant uuid, item metering_amendment, owner metering_transaction, moment timestamptz)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    move CONSTANT metering_new_move := item.move;
    status_occurred_at CONSTANT timestamptz := coalesce(item.occurred_at, moment);
BEGIN
    UPDATE metering_transaction AS stored SET
        status = move.to_status,
        round = coalesce(move.round, stored.round),
        outcome = move.call_outcome,
        decline_reason = CASE WHEN move.to_status = 'denied' THEN move.reason END,
        updated_at = moment,
        preparing_at = CASE WHEN move.to_status = 'preparing' THEN status_occurred_at ELSE stored.preparing_at END,
        authorized_at = CASE WHEN move.to_status = 'authorized' THEN status_occurred_at ELSE stored.authorized_at END,
        denied_at = CASE WHEN move.to_status = 'denied' THEN status_occurred_at ELSE stored.denied_at END,
        cancelled_at = CASE WHEN move.to_status = 'cancelled' THEN status_occurred_at ELSE stored.cancelled_at END,
        completed_at = CASE WHEN move.to_status = 'completed' THEN status_occurred_at ELSE stored.completed_at END
    WHERE stored.tenant_id = tenant AND stored.id = owner.id;
    INSERT INTO metering_statuschange (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, from_status, to_status, round, reason,
        idempotency_key, facts_digest
    ) VALUES (
        move.id, tenant, status_occurred_at, moment, item.actor, item.request_id, owner.id, owner.status, move.to_status,
        coalesce(move.round, owner.round), coalesce(move.reason, ''), item.idempotency_key, decode(item.facts_digest, 'hex')
    );
END
$$;
