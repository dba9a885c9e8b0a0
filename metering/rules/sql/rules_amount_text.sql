-- An amount for a sentence: all its digits, trailing zeros cut, at least two decimals. A number of transactions has no currency.
-- Takes: the number and its currency, or null. Returns: the text. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_amount_text(amount numeric, currency text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN currency IS NULL THEN trim_scale(amount)::text
        WHEN scale(trim_scale(amount)) < 2 THEN round(amount, 2) || ' ' || currency
        ELSE trim_scale(amount) || ' ' || currency
    END
$$;
