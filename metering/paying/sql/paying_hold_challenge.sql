-- Holds the money for the payment that a round of authorization asks for, and makes its token.
-- Takes: the tenant, the transaction's row, the round (its `payment` says what a token is made of: metering/services/reauthorization.py),
-- and who asks.
-- Returns: as paying_hold_all_or_none, with the token; a reason also where the tenant's settings refuse the payment now.
-- Locks: as paying_hold_all_or_none; the caller has locked the transaction and the counters of the tenant's rules.
-- Never: writes the payment; paying_insert_payments does.
CREATE OR REPLACE FUNCTION paying_hold_challenge(
    tenant uuid, owner metering_transaction, asked rules_authorizationrequest, actor text, request text
)
RETURNS paying_hold_result
LANGUAGE plpgsql
AS $$
DECLARE
    payment paying_payment;
    placed paying_hold_result;
    token paying_paymenttoken;
BEGIN
    payment.id := ledger_new_id();
    payment.tenant_id := tenant;
    payment.transaction_id := owner.id;
    payment.round := asked.round;
    payment.kind := 'x402';
    payment.payer := coalesce(asked.payment ->> 'payer', 'ledger');
    payment.customer_id := paying_find_payer(tenant, owner.customer_id, (
        SELECT agent.customer_id FROM metering_agent agent WHERE agent.tenant_id = tenant AND agent.id = owner.agent_id
    ));
    payment.currency := asked.payment_currency;
    payment.amount := asked.payment_amount;
    payment.actor := actor;
    payment.request_id := request;
    placed.reason := paying_refuse_payer(
        tenant, payment.payer, asked.payment ->> 'network', asked.payment ->> 'payTo', payment.amount,
        payment.currency
    );
    IF placed.reason IS NOT NULL THEN
        -- The option was payable when it was chosen: a setting has changed since. "The payment" begins the sentence of
        -- paying_refuse_payer.
        placed.reason := 'The payment ' || placed.reason;
        RETURN placed;
    END IF;
    IF payment.payer <> 'ledger' AND paying_hold_duration(tenant) < make_interval(secs => (asked.payment ->> 'holdSeconds')::integer) THEN
        placed.reason := format('The payment must be held for %s seconds, longer than the ledgers hold', asked.payment ->> 'holdSeconds');
        RETURN placed;
    END IF;
    placed := paying_hold_all_or_none(tenant, ARRAY[payment], least(
        paying_hold_duration(tenant), make_interval(secs => (asked.payment ->> 'holdSeconds')::integer)
    ));
    IF placed.reason IS NULL THEN
        payment := placed.payments[1];
        token.id := ledger_new_id();
        token.tenant_id := tenant;
        token.payment_id := payment.id;
        token.authorization_id := asked.id;
        token.network := asked.payment ->> 'network';
        token.scheme := asked.payment ->> 'scheme';
        token.pay_to := asked.payment ->> 'payTo';
        token.challenge := asked.payment -> 'challenge';
        token.key_id := asked.payment ->> 'keyId';
        token.nonce_digest := decode(asked.payment ->> 'nonceDigest', 'hex');
        token.expires_at := least(
            payment.created_at + make_interval(secs => (asked.payment ->> 'presentationSeconds')::integer), payment.hold_expires_at
        );
        token.created_at := payment.created_at;
        IF payment.payer <> 'ledger' THEN
            -- What is signed can't be taken back, so that it counts as presented from the beginning.
            payment.status := 'presented';
            token.presented_at := payment.created_at;
            placed.payments := ARRAY[payment];
        END IF;
        placed.tokens := ARRAY[token];
    END IF;
    RETURN placed;
END
$$;
