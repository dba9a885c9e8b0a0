-- Takes back what is held for a transaction whose key another call used meanwhile: nothing of this call stays, and the caller repeats it.
-- Takes: what paying_place returned. Returns: never, it always raises. Locks nothing.
CREATE OR REPLACE FUNCTION paying_abort_placing(placed paying_placed)
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
