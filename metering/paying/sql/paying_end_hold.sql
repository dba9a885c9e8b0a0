-- Ends one hold of a payment: captures a part of it and releases the rest, or keeps it.
--
-- Takes: the tenant, the payment, its part, how much of it is captured, how the hold ends where that is nothing (released or expired), the
-- number of the capture if the rest stays held (else null), and who asks.
-- Returns: how much was captured: nothing where somebody ended the hold otherwise, it is overdue, or the wallet can't be debited.
-- Locks: as credits_capture_or_end_hold or billing_capture_or_end_hold.
-- Never: captures more than the part.
CREATE OR REPLACE FUNCTION paying_end_hold(
    tenant uuid, payment paying_payment, leg paying_paymentleg, wanted numeric, ending text, number integer, actor text,
    request text
)
RETURNS numeric
LANGUAGE plpgsql
AS $$
DECLARE
    what CONSTANT jsonb := jsonb_build_object(
        'hold_id', leg.hold_id, 'kind', CASE WHEN wanted > 0 THEN 'captured' ELSE ending END,
        'amount', CASE WHEN wanted > 0 THEN wanted END, 'final', number IS NULL, 'actor', actor, 'request_id', request, 'reason', ''
    );
    -- The key of a capture after which the rest stays held.
    key CONSTANT text := format('payment:%s:capture:%s', payment.id, number);
    done record;
BEGIN
    IF leg.kind = 'credits' THEN
        SELECT * INTO done FROM credits_capture_or_end_hold(tenant, jsonb_build_array(
            what || jsonb_build_object('invoice_id', payment.id, 'billing_run_id', '',
                'idempotency_key', CASE WHEN number IS NOT NULL THEN key END, 'facts_digest', credits_no_facts_digest())
        ));
    ELSE
        SELECT * INTO done FROM billing_capture_or_end_hold(tenant, jsonb_build_array(
            what || jsonb_build_object('id', ledger_new_id(),
                'reference_id', CASE WHEN number IS NULL THEN 'payment:' || payment.id ELSE key END,
                'facts_digest', CASE WHEN wanted > 0 THEN billing_no_facts_digest() ELSE '' END, 'debit_digest', billing_no_facts_digest())
        ));
    END IF;
    IF wanted > 0 AND done.outcome IN ('no_debit', 'insufficient', 'out_of_range') THEN
        IF number IS NOT NULL THEN
            RETURN 0;
        END IF;
        RETURN paying_end_hold(tenant, payment, leg, 0, ending, NULL, actor, request);
    END IF;
    IF done.outcome NOT IN ('posted', 'exists', 'closed', 'not_due') THEN
        RAISE EXCEPTION 'the end of a hold of a payment was refused: %', done.outcome;
    END IF;
    IF wanted = 0 OR done.outcome <> 'posted' THEN
        RETURN 0;
    END IF;
    UPDATE paying_paymentleg part SET captured = part.captured + wanted WHERE part.tenant_id = tenant AND part.id = leg.id;
    RETURN wanted;
END
$$;
