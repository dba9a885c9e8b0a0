-- Holds the money of payments one after the other, until one of them can't be held. Part of paying_hold_all_or_none.
-- Takes, returns: as paying_hold_all_or_none says. Locks: for each payment the customer's grants by id, then the wallet.
-- Never: takes back what it held for the payments before the one that can't be held; paying_hold_all_or_none does.
CREATE OR REPLACE FUNCTION paying_hold_in_turn(tenant uuid, payments paying_payment[], duration interval)
RETURNS paying_hold_result
LANGUAGE plpgsql
AS $$
DECLARE
    placed paying_hold_result;
    payment paying_payment;
    leg paying_paymentleg;
    draw credits_draw;
    locked_grants record;
    available numeric;
    done record;
BEGIN
    placed.payments := '{}';
    placed.legs := '{}';
    FOREACH payment IN ARRAY payments LOOP
        draw.customer_id := payment.customer_id;
        draw.currency := payment.currency;
        draw.actor := payment.actor;
        draw.request_id := payment.request_id;
        SELECT * INTO locked_grants FROM credits_lock_customer_grants(tenant, draw);
        -- Credits of a customer are no money that pays outside of the ledgers.
        payment.payer := coalesce(payment.payer, 'ledger');
        available := CASE payment.payer WHEN 'ledger' THEN locked_grants.available ELSE 0 END;
        leg.tenant_id := tenant;
        leg.payment_id := payment.id;
        leg.captured := 0;
        leg.ordinal := 0;
        -- The wallet decides before anything is held of the credits.
        IF payment.amount > available THEN
            SELECT * INTO done FROM paying_hold_wallet(tenant, payment, payment.amount - available, locked_grants.moment + duration);
            IF NOT done.is_held THEN
                placed.reason := format(
                    'Insufficient funds: %s needed, %s in credits and %s in the wallet available',
                    rules_amount_text(payment.amount, payment.currency), rules_amount_text(available, payment.currency),
                    rules_amount_text(done.spendable, payment.currency)
                );
                RETURN placed;
            END IF;
        END IF;
        payment.status := 'authorized';
        payment.captured := 0;
        payment.unpaid := 0;
        payment.reason := '';
        payment.hold_expires_at := locked_grants.moment + duration;
        payment.created_at := locked_grants.moment;
        payment.occurred_at := locked_grants.moment;
        payment.updated_at := locked_grants.moment;
        leg.created_at := locked_grants.moment;
        IF available > 0 THEN
            leg.id := ledger_new_id();
            leg.ordinal := 1;
            leg.kind := 'credits';
            leg.amount := least(available, payment.amount);
            leg.hold_id := paying_hold_credits(tenant, payment, leg.amount);
            placed.legs := placed.legs || leg;
        END IF;
        IF payment.amount > available THEN
            leg.id := ledger_new_id();
            leg.ordinal := leg.ordinal + 1;
            leg.kind := 'wallet';
            leg.amount := payment.amount - available;
            leg.hold_id := done.hold_id;
            placed.legs := placed.legs || leg;
        END IF;
        placed.payments := placed.payments || payment;
    END LOOP;
    RETURN placed;
END
$$;
