-- Trigger: a transaction's status changes only as metering_may_move allows, or metering_begins_round with the next round. Fires before an
-- update that changes the status.
-- Returns: the new row, or raises. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_forbid_wrong_move()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT metering_may_move(OLD.status, NEW.status)
        AND NOT (NEW.round = OLD.round + 1 AND metering_begins_round(OLD.status, NEW.status))
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            MESSAGE = format('a transaction never goes from %s to %s', OLD.status, NEW.status),
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'metering_forbid_wrong_move';
    END IF;
    RETURN NEW;
END;
$$;
