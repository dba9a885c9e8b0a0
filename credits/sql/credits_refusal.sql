-- Why a posting may not be; null where it may. `taken`: what the cited invoice has of this grant, less what was given back. A burn-down
-- has chosen its grants by their dates already, and a capture may outlive them.
CREATE OR REPLACE FUNCTION credits_refusal(kind text, type text, amount numeric, invoice_id text, account credits_grant, balance numeric, day date, taken numeric)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN account.id IS NULL OR account.status = 'deleted' THEN 'not_found'
        WHEN account.status = 'voided' AND kind IN ('debit', 'credit') THEN 'voided'
        WHEN kind = 'debit' AND day < account.effective_date THEN 'not_yet_effective'
        WHEN kind = 'debit' AND day > account.expiry_date THEN 'expired'
        WHEN type = 'DEBIT' AND amount > balance - account.held THEN 'insufficient'
        WHEN type = 'CREDIT' AND invoice_id <> '' AND amount > taken THEN 'more_than_taken'
        WHEN type = 'CREDIT' AND balance + amount >= 1e20 THEN 'too_large'
    END
$$;
