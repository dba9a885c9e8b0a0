-- Writes the sentence that says why a limit refuses a transaction. Its amounts have all their digits.
-- Takes: the parameter, what the window holds without the transaction, and what it adds (null: unknown).
-- Returns: the sentence. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_limit_reason(parameter rules_ruleparameter, used numeric, amount numeric)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    currency CONSTANT text := CASE WHEN parameter.measurement_type <> 'count_transactions' THEN parameter.currency END;
    ceiling CONSTANT text := rules_amount_text(parameter.limit_value, currency);
    reached CONSTANT text := rules_amount_text(used + amount, currency);
    within CONSTANT text := coalesce(' in ' || parameter.interval_value || ' ' || parameter.interval_unit, '');
BEGIN
    IF amount IS NULL THEN
        RETURN format('No known cost and limit of %s is used up%s', ceiling, within);
    END IF;
    RETURN CASE parameter.measurement_type
        WHEN 'count_transactions' THEN
            format('Transaction count including this transaction (%s) would exceed limit of %s%s', reached, ceiling, within)
        WHEN 'sum_payment_amount' THEN
            format('Total payment amount including this payment (%s) would exceed limit of %s%s', reached, ceiling, within)
        WHEN 'sum_transaction_costs' THEN
            format('Total transaction costs including this transaction (%s) would exceed limit of %s%s', reached, ceiling, within)
        WHEN 'this_payment_amount' THEN format('This payment (%s) would exceed limit of %s', reached, ceiling)
        WHEN 'this_transaction_cost' THEN format('This transaction''s cost (%s) would exceed limit of %s', reached, ceiling)
    END;
END
$$;
