-- When a transaction was authorized, as its row says: the date of its counter entries where no decision of the rules gave them one.
-- Takes: the row. Returns: the moment; null for one that was never authorized. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_authorized_at(owner metering_transaction)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(
        owner.authorized_at,
        CASE WHEN owner.status = 'cancelled' AND owner.cancelled_at = owner.occurred_at THEN owner.occurred_at END
    )
$$;
