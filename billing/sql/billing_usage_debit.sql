-- What a posting of the shipped type usage says of its type, where the database itself debits a wallet: for a capture, or for a payment.
--
-- Takes: nothing. Returns: attributes of billing_posting, as in SHIPPED_TYPES (billing/choices.py; tests/billing/test_holds.py holds the
-- two equal). Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_usage_debit() RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT '{"type": "usage", "shipped_label": "Usage", "shipped_direction": "debit"}'::jsonb
$$;
