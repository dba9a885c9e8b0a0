-- Holds the money for a transaction which waited for a decision and is about to be authorized: for the payment that its round asks for, or,
-- where the tenant holds estimates, for its estimates.
-- Takes: the tenant, whether it holds estimates, the transaction's row, and who authorizes it.
-- Returns: as paying_hold_all_or_none; null where it has a payment already.
-- Locks: as paying_hold_all_or_none; the caller has locked the transaction, and the counters of the tenant's rules.
-- Never: writes the payments; paying_insert_payments does.
CREATE OR REPLACE FUNCTION paying_hold_at_authorization(
    tenant uuid, holds_estimates boolean, owner metering_transaction, actor text, request text
)
RETURNS paying_hold_result
LANGUAGE plpgsql
AS $$
DECLARE
    asked rules_authorizationrequest;
BEGIN
    SELECT * INTO asked FROM rules_authorizationrequest stored
    WHERE stored.tenant_id = tenant AND stored.transaction_id = owner.id AND stored.round = owner.round AND stored.payment IS NOT NULL;
    IF FOUND THEN
        RETURN paying_hold_challenge(tenant, owner, asked, actor, request);
    END IF;
    IF owner.requires_payment OR NOT holds_estimates THEN
        -- The call has a payment from an earlier round, or its tenant holds no estimates.
        RETURN NULL;
    END IF;
    RETURN paying_hold_estimates(
        tenant, owner.id, owner.round, owner.customer_id,
        (SELECT agent.customer_id FROM metering_agent agent WHERE agent.tenant_id = tenant AND agent.id = owner.agent_id),
        (
            SELECT jsonb_agg(jsonb_build_object(
                'amount', cost.fiat_amount, 'currency', cost.fiat_asset_symbol, 'is_estimate', cost.is_estimate
            ))
            FROM metering_cost cost
            WHERE cost.tenant_id = tenant AND cost.transaction_id = owner.id AND cost.is_active
        ), actor, request
    );
END
$$;
