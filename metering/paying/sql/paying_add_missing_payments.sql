-- Makes a payment that holds nothing for each currency in which a completed transaction has costs and no payment: nothing was estimated, or
-- the tenant didn't hold estimates when it was recorded.
--
-- Takes: the tenant, the transaction's row, whether the call failed, the moment, and who asks.
-- Returns: nothing.
-- Locks: the transaction, which is locked.
-- Never: moves money; the caller collects what is due.
CREATE OR REPLACE FUNCTION paying_add_missing_payments(
    tenant uuid, owner metering_transaction, has_failed boolean, moment timestamptz, for_actor text, request text
)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO paying_payment (
        id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, round, kind, status, customer_id, currency, amount,
        captured, unpaid, hold_expires_at, reason, updated_at
    )
    SELECT ledger_new_id(), tenant, moment, moment, for_actor, request, owner.id, owner.round, 'prepaid', 'authorized',
        paying_find_payer(tenant, owner.customer_id, (
            SELECT agent.customer_id FROM metering_agent agent WHERE agent.tenant_id = tenant AND agent.id = owner.agent_id
        )), known.fiat_asset_symbol, 0, 0, 0, moment, '', moment
    FROM metering_cost known
    WHERE known.tenant_id = tenant AND known.transaction_id = owner.id AND known.is_active AND known.fiat_amount > 0
        AND known.payment_id IS NULL
        AND NOT (known.is_estimate AND has_failed)
    GROUP BY known.fiat_asset_symbol
    ON CONFLICT (tenant_id, transaction_id, currency) WHERE kind = 'prepaid' DO NOTHING;
    IF FOUND AND NOT owner.requires_payment THEN
        UPDATE metering_transaction stored SET requires_payment = true WHERE stored.tenant_id = tenant AND stored.id = owner.id;
    END IF;
END
$$;
