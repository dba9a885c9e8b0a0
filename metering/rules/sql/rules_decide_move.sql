-- Decides on a transaction that waited for a decision and is about to be authorized.
-- Takes: the tenant and the transaction, which the caller has locked; whether the rules are asked (a file that says what happened doesn't
-- ask them); the rules whose denial a person has overruled; and who overruled them and why.
-- Returns: the decision, as rules_decide does; without a status where nothing was asked.
-- Locks: the counters (rules_lock_counters). Never: counts anything.
CREATE OR REPLACE FUNCTION rules_decide_move(tenant uuid, transaction uuid, asks boolean, overruled uuid[], override jsonb)
RETURNS rules_decision
LANGUAGE plpgsql
AS $$
DECLARE
    subject rules_subject := rules_read_subject(tenant, transaction);
    asked record;
BEGIN
    SELECT request.payment, request.payment_amount, request.payment_currency INTO asked
    FROM rules_authorizationrequest AS request
    WHERE request.tenant_id = tenant AND request.transaction_id = transaction AND request.round = subject.round
        AND request.payment_amount IS NOT NULL;
    IF FOUND THEN
        subject.payment := asked.payment;
        subject.payment_amount := asked.payment_amount;
        subject.payment_currency := asked.payment_currency;
    END IF;
    IF asks THEN
        RETURN rules_decide(tenant, subject, overruled, override);
    END IF;
    RETURN rules_decide_new(tenant, subject, false);
END
$$;
