-- Says why an entry can't be posted to a wallet. It looks neither at the key of the entry nor at the entry that is reversed.
--
-- Takes: whether the tenant accepts catalogued types only and whether this one is; the direction of the type and the amount; `effect`, the
-- signed change of the balance; the balance before the entry; what holds reserve once it is posted; and the wallet's floor.
-- Returns: unknown_type, negative_amount, insufficient or out_of_range; NULL where it can be posted.
-- Locks: nothing.
-- Never: reads a table.
--
-- Callers: billing_post (one posting), billing_decide (arrays and reversals), billing_capture_or_end_hold (captures).
-- Copy: wallet_refusal in billing/imports/refusals.py has the last two conditions, for the plan of a backfill.
CREATE OR REPLACE FUNCTION billing_posting_refusal(
    is_strict boolean, is_catalogued boolean, direction text, amount numeric, effect numeric, balance numeric, held numeric,
    floor numeric
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN is_strict AND NOT is_catalogued THEN 'unknown_type'
        WHEN direction <> 'signed' AND amount < 0 THEN 'negative_amount'
        WHEN NOT billing_floor_allows(balance => balance + effect, held => held, floor => floor) THEN 'insufficient'
        WHEN ledger_is_out_of_range(balance + effect) THEN 'out_of_range'
    END
$$;
