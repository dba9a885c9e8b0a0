-- Reads the receipt of a resource that was paid: base64 of a JSON object, in the header `payment-response` of the facts that its caller
-- reports.
-- Takes: the facts, JSON or null. Returns: the object, or null where there is none or it can't be read. Locks: nothing. Never: fails.
CREATE OR REPLACE FUNCTION paying_read_receipt(facts text)
RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    receipt jsonb;
BEGIN
    SELECT convert_from(decode(header.value, 'base64'), 'UTF8')::jsonb INTO receipt
    FROM jsonb_each_text(CASE jsonb_typeof(facts::jsonb -> 'headers') WHEN 'object' THEN facts::jsonb -> 'headers' ELSE '{}' END) AS header
    WHERE lower(header.key) IN ('payment-response', 'x-payment-response')
    ORDER BY lower(header.key) LIMIT 1;
    RETURN CASE WHEN jsonb_typeof(receipt) = 'object' THEN receipt END;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
