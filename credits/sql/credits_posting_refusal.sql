-- Decides why a posting may not be made. Copy: grant_refusal in credits/imports/transactions.py, for the plan of an import, which
-- tests/backfills/test_credits.py holds equal.
--
-- Takes: the posting's kind, type, amount and invoice; its grant (null: there is none), from which overdue holds were already released; the
-- balance before the posting; the day for which it counts; `taken`, what the cited invoice took of this grant and didn't give back;
-- `left_to_reverse`, what is left of the transaction that it reverses, or null.
-- Returns: an outcome, or null where the posting may be made.
-- Locks: nothing.
--
-- Only kind `debit` depends on the grant's dates: a burn-down chose its grants by date already, and a hold may be captured after the
-- grant's last day.
CREATE OR REPLACE FUNCTION credits_posting_refusal(
    kind text, type text, amount numeric, invoice_id text, grant_row credits_grant, balance numeric, day date, taken numeric,
    left_to_reverse numeric
)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN left_to_reverse <= 0 THEN 'reversed_before'
        WHEN grant_row.id IS NULL OR grant_row.status = 'deleted' THEN 'not_found'
        WHEN amount > left_to_reverse THEN 'exceeds_original'
        WHEN grant_row.status = 'voided' AND kind IN ('debit', 'credit') THEN 'voided'
        WHEN kind = 'debit' AND day < grant_row.effective_date THEN 'not_yet_effective'
        WHEN kind = 'debit' AND credits_is_over(grant_row.expiry_date, day) THEN 'expired'
        WHEN type = 'DEBIT' AND amount > credits_available(balance, grant_row.held) THEN 'insufficient'
        WHEN type = 'CREDIT' AND invoice_id <> '' AND amount > taken THEN 'more_than_taken'
        WHEN type = 'CREDIT' AND ledger_is_out_of_range(balance + amount) THEN 'too_large'
    END
$$;
