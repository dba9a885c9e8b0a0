-- The state machine: whence a status may be reached.
CREATE FUNCTION metering_may_move(earlier text, later text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (earlier, later) IN (
        ('pending', 'preparing'),
        ('preparing', 'authorized'),
        ('preparing', 'denied'),
        ('authorized', 'completed'),
        ('pending', 'cancelled'),
        ('preparing', 'cancelled'),
        ('authorized', 'cancelled')
    )
$$;

CREATE FUNCTION metering_transaction_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT metering_may_move(OLD.status, NEW.status) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'restrict_violation',
            MESSAGE = format('a transaction never goes from %s to %s', OLD.status, NEW.status),
            TABLE = TG_TABLE_NAME,
            CONSTRAINT = 'metering_transaction_move';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER metering_transaction_move BEFORE UPDATE ON metering_transaction
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION metering_transaction_move();

-- A superseded cost stays superseded, since the moment it was.
CREATE FUNCTION metering_cost_supersession() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'a superseded cost never changes again',
        TABLE = TG_TABLE_NAME,
        CONSTRAINT = 'metering_cost_supersession';
END;
$$;

CREATE TRIGGER metering_cost_supersession BEFORE UPDATE ON metering_cost
    FOR EACH ROW WHEN (NOT OLD.is_active) EXECUTE FUNCTION metering_cost_supersession();

-- A cost can only supersede one of its own transaction.
ALTER TABLE metering_cost ADD CONSTRAINT metering_cost_supersedes_fkey
    FOREIGN KEY (tenant_id, transaction_id, supersedes_id) REFERENCES metering_cost (tenant_id, transaction_id, id)
    DEFERRABLE INITIALLY IMMEDIATE;

ALTER TABLE metering_transaction SET (fillfactor = 80);
ALTER TABLE metering_cost SET (fillfactor = 90);
ALTER TABLE metering_rollup SET (fillfactor = 60);
