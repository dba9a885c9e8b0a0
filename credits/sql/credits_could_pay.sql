CREATE OR REPLACE FUNCTION credits_could_pay(account credits_grant, wanted_currency text, wanted_metric text, day date)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT account.status = 'open' AND account.balance > 0
        AND day >= account.effective_date AND (account.expiry_date IS NULL OR day <= account.expiry_date)
        AND (account.unit_type = 'CURRENCY' AND account.currency = wanted_currency
             OR account.unit_type = 'METRIC' AND account.metric_id = wanted_metric)
$$;
