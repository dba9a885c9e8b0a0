-- Takes what a transaction cost: first from the payment's holds, credits before the wallet; a shortfall is debited at once from the same
-- accounts. What is held and not needed is released, or stays held.
-- Takes: the tenant, the payment's row, how much, how the rest of the holds ends (released, or expired: then they cover nothing), the
-- number of the capture if the rest stays held (else null), and who asks.
-- Returns: what was taken by this call, and the parts that were debited beyond the holds. The holds' parts are written already.
-- Locks: holds of credits and their grants, the customer's grants, the wallet, in this order. The caller has locked the payment.
-- Never: debits a part of a shortfall: all of it, or it stays unpaid.
CREATE OR REPLACE FUNCTION paying_take_from_holds_then_debit(
    tenant uuid, payment paying_payment, wanted numeric, ending text, number integer, actor text, request text
)
RETURNS paying_taken
LANGUAGE plpgsql
AS $$
DECLARE
    leg paying_paymentleg;
    left_over numeric := wanted;
    of_hold numeric;
    taken paying_taken;
    draw credits_draw;
    is_open CONSTANT boolean := payment.closed_at IS NULL;
BEGIN
    taken.captured := 0;
    taken.legs := '{}';
    FOR leg IN
        SELECT * FROM paying_paymentleg part
        WHERE part.tenant_id = tenant AND part.payment_id = payment.id AND part.hold_id IS NOT NULL AND is_open
        ORDER BY part.ordinal
    LOOP
        CONTINUE WHEN number IS NOT NULL AND (left_over = 0 OR leg.captured = leg.amount);
        IF leg.kind = 'wallet' AND left_over > leg.amount - leg.captured THEN
            -- More may be debited than is held: the customer's grants are locked before the wallet.
            draw.customer_id := payment.customer_id;
            draw.currency := payment.currency;
            draw.actor := actor;
            draw.request_id := request;
            PERFORM credits_lock_customer_grants(tenant, draw);
        END IF;
        of_hold := paying_end_hold(
            tenant, payment, leg, CASE ending WHEN 'expired' THEN 0 ELSE least(left_over, leg.amount - leg.captured) END, ending, number,
            actor, request
        );
        left_over := left_over - of_hold;
        taken.captured := taken.captured + of_hold;
    END LOOP;
    IF left_over > 0 THEN
        taken.legs := paying_debit_shortfall(tenant, payment, left_over, actor, request);
        SELECT taken.captured + coalesce(sum(part.captured), 0) INTO taken.captured FROM unnest(taken.legs) AS part;
    END IF;
    RETURN taken;
END
$$;
