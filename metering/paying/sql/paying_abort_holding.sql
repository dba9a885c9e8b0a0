-- Takes back what is held for a transaction whose key another call used meanwhile: nothing of this call stays, and the caller repeats it.
-- Takes: what paying_hold_all_or_none returned. Returns: never, it always raises. Locks: nothing.
CREATE OR REPLACE FUNCTION paying_abort_holding(placed paying_hold_result)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'unique_violation',
        MESSAGE = format('another call used the key of transaction %s', placed.payments[1].transaction_id),
        CONSTRAINT = 'metering_transaction_idempotency_key_key';
END
$$;
