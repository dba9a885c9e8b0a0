-- Holds the money of a transaction's payments, credits first and the wallet next, or none of it.
-- Takes: the tenant; the payments, whose id, customer, currency, amount, actor and request are set; and for how long the money may be held.
-- Returns: why there isn't enough, or the payments with their moments and their parts; paying_insert_payments writes them.
-- Locks: grants by id, then wallets by id. The caller has locked the transaction, if it exists, and the counters of the tenant's rules.
-- Never: leaves a part held where another part can't be.
CREATE OR REPLACE FUNCTION paying_hold_all_or_none(tenant uuid, payments paying_payment[], duration interval)
RETURNS paying_hold_result
LANGUAGE plpgsql
AS $$
DECLARE
    placed paying_hold_result;
BEGIN
    IF cardinality(payments) <= 1 THEN
        RETURN paying_hold_in_turn(tenant, payments, duration);
    END IF;
    PERFORM paying_lock_money(
        tenant, ARRAY(SELECT customer_id FROM unnest(payments)), ARRAY(SELECT currency FROM unnest(payments))
    );
    BEGIN
        placed := paying_hold_in_turn(tenant, payments, duration);
        IF placed.reason IS NOT NULL THEN
            -- Undoes what was held since BEGIN.
            RAISE EXCEPTION 'all or nothing' USING ERRCODE = 'PAY01';
        END IF;
    EXCEPTION WHEN SQLSTATE 'PAY01' THEN
        NULL;
    END;
    RETURN placed;
END
$$;
