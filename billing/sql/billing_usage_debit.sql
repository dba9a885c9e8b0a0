-- Makes the part of a posting that says its type, for a debit that the database itself posts (for a capture or a payment): the shipped
-- type usage.
--
-- Takes: nothing. Returns: attributes of billing_posting, as in SHIPPED_TYPES (billing/choices.py; tests/billing/test_holds.py holds the
-- two equal). Locks: nothing. Never: reads a table.
CREATE OR REPLACE FUNCTION billing_usage_debit() RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT '{"type": "usage", "shipped_label": "Usage", "shipped_direction": "debit"}'::jsonb
$$;
