-- Trigger: a superseded cost never changes again. Fires before an update of a row that isn't active.
-- Returns: never, it always raises. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_forbid_superseded_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'a superseded cost never changes again',
        TABLE = TG_TABLE_NAME,
        CONSTRAINT = 'metering_forbid_superseded_change';
END;
$$;
