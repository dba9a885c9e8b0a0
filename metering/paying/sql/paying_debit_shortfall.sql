-- Debits what a payment's holds don't cover: credits of its customer first, the wallet next, or nothing if both together don't cover it.
-- Takes: the tenant, the payment, how much, and who asks. Returns: the parts that were debited; none where they don't cover it.
-- Locks: the customer's grants by id, then the wallet. Where the payment's own holds were ended before, both are locked already.
-- Never: takes a part of the amount; takes a wallet without a floor below zero, unless the policy says so.
CREATE OR REPLACE FUNCTION paying_debit_shortfall(tenant uuid, payment paying_payment, wanted numeric, actor text, request text)
RETURNS paying_paymentleg[]
LANGUAGE plpgsql
AS $$
DECLARE
    draw credits_draw;
    locked_grants record;
    from_credits numeric;
    earlier integer;
    leg paying_paymentleg;
    legs paying_paymentleg[] := '{}';
    done record;
BEGIN
    draw.customer_id := payment.customer_id;
    draw.currency := payment.currency;
    draw.actor := actor;
    draw.request_id := request;
    SELECT * INTO locked_grants FROM credits_lock_customer_grants(tenant, draw);
    from_credits := CASE payment.payer WHEN 'ledger' THEN least(locked_grants.available, wanted) ELSE 0 END;
    SELECT count(*) INTO earlier FROM paying_paymentleg part WHERE part.tenant_id = tenant AND part.payment_id = payment.id;
    leg.tenant_id := tenant;
    leg.payment_id := payment.id;
    leg.ordinal := earlier;
    leg.amount := 0;
    leg.created_at := locked_grants.moment;
    -- The wallet decides first: it may refuse.
    IF wanted > from_credits THEN
        leg.entry_id := paying_debit_wallet(tenant, payment, wanted - from_credits, earlier + 1, actor, request);
        IF leg.entry_id IS NULL THEN
            RETURN '{}';
        END IF;
        leg.id := ledger_new_id();
        leg.ordinal := leg.ordinal + 1;
        leg.kind := 'wallet';
        leg.captured := wanted - from_credits;
        legs := legs || leg;
    END IF;
    IF from_credits > 0 THEN
        leg.id := ledger_new_id();
        leg.ordinal := leg.ordinal + 1;
        leg.kind := 'credits';
        leg.captured := from_credits;
        leg.entry_id := ledger_new_id();
        SELECT * INTO done FROM credits_consume(tenant, jsonb_build_array(jsonb_build_object(
            'id', leg.entry_id, 'customer_id', payment.customer_id, 'currency', payment.currency, 'amount', from_credits, 'partial', false,
            'reason', '', 'invoice_id', payment.id, 'billing_run_id', '',
            'idempotency_key', format('payment:%s:%s', payment.id, leg.ordinal),
            'facts_digest', credits_no_facts_digest(), 'actor', actor, 'request_id', request
        ))) LIMIT 1;
        IF done.outcome <> 'posted' THEN
            RAISE EXCEPTION 'a grant ended meanwhile' USING ERRCODE = 'deadlock_detected';
        END IF;
        legs := legs || leg;
    END IF;
    RETURN legs;
END
$$;
