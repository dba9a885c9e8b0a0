-- The payments that a transaction of a tenant that holds estimates needs: one for each currency of its estimated costs.
--
-- Takes: the tenant; the transaction's id, its round, its customer and its agent's; its active costs, a JSON array of {amount, currency,
-- is_estimate}; who asks.
-- Returns: the payments to place, by currency; none where nothing is estimated.
-- Locks: nothing.
-- Never: writes.
CREATE OR REPLACE FUNCTION paying_payments_for_costs(
    tenant uuid, transaction uuid, round smallint, customer text, agent_customer text, costs jsonb, actor text, request text
)
RETURNS paying_payment[]
LANGUAGE plpgsql
AS $$
DECLARE
    estimated record;
    payment paying_payment;
    payments paying_payment[] := '{}';
BEGIN
    FOR estimated IN
        SELECT cost.currency, sum(cost.amount) AS amount
        FROM jsonb_to_recordset(coalesce(costs, '[]')) AS cost (amount numeric, currency text, is_estimate boolean)
        WHERE cost.is_estimate
        GROUP BY cost.currency
        HAVING sum(cost.amount) > 0
        ORDER BY cost.currency
    LOOP
        payment.id := ledger_new_id();
        payment.tenant_id := tenant;
        payment.transaction_id := transaction;
        payment.round := round;
        payment.kind := 'prepaid';
        payment.customer_id := coalesce(payment.customer_id, paying_find_payer(tenant, customer, agent_customer));
        payment.currency := estimated.currency;
        payment.amount := estimated.amount;
        payment.actor := actor;
        payment.request_id := request;
        payments := payments || payment;
    END LOOP;
    RETURN payments;
END
$$;
