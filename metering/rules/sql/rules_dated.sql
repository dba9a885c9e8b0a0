-- When a transaction was let through, as its row says: the date of its entries where no decision of the rules gave them one.
-- Takes: the row. Returns: the moment; null for what was never let through. Locks nothing.
CREATE OR REPLACE FUNCTION rules_dated(owner metering_transaction)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce(
        owner.authorized_at,
        CASE WHEN owner.status = 'cancelled' AND owner.cancelled_at = owner.occurred_at THEN owner.occurred_at END
    )
$$;
