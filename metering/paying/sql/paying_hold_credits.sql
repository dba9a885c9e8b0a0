-- Holds a part of a payment on its customer's credits, which the caller has locked and found to be enough.
-- Takes: the tenant, the payment with its moments, and how much. Returns: the hold.
-- Locks: as credits_place_hold: the grants, which are locked. Never: returns without a hold. Where a grant ended between two looks at the
-- clock it raises deadlock_detected, and the call is repeated.
CREATE OR REPLACE FUNCTION paying_hold_credits(tenant uuid, payment paying_payment, part numeric)
RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    done record;
BEGIN
    SELECT * INTO done FROM credits_place_hold(tenant, jsonb_build_array(jsonb_build_object(
        'id', ledger_new_id(), 'customer_id', payment.customer_id, 'currency', payment.currency, 'amount', part,
        'expires_at', payment.hold_expires_at, 'reason', '', 'idempotency_key', 'payment:' || payment.id,
        'facts_digest', credits_no_facts_digest(), 'actor', payment.actor, 'request_id', payment.request_id
    )));
    IF done.outcome = 'insufficient' THEN
        RAISE EXCEPTION 'a grant ended meanwhile' USING ERRCODE = 'deadlock_detected';
    ELSIF done.outcome <> 'posted' THEN
        RAISE EXCEPTION 'a hold of a payment was refused: %', done.outcome;
    END IF;
    RETURN done.id;
END
$$;
