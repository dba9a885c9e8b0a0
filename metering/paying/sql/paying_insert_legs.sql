-- Takes: the tenant, and parts of payments. Returns: nothing. Locks: nothing beyond the new rows. Never: moves money.
CREATE OR REPLACE FUNCTION paying_insert_legs(tenant uuid, legs paying_paymentleg[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO paying_paymentleg (id, tenant_id, payment_id, ordinal, kind, hold_id, entry_id, amount, captured, created_at)
    SELECT leg.id, tenant, leg.payment_id, leg.ordinal, leg.kind, leg.hold_id, leg.entry_id, leg.amount, leg.captured, leg.created_at
    FROM unnest(legs) AS leg;
END
$$;
