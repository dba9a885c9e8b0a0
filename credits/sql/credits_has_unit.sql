-- Decides whether a grant is counted in one of the wanted units.
-- Takes: a grant, a currency or null, a metric's id or null. Returns: true; otherwise false or null.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION credits_has_unit(account credits_grant, wanted_currency text, wanted_metric text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT account.unit_type = 'CURRENCY' AND account.currency = wanted_currency
        OR account.unit_type = 'METRIC' AND account.metric_id = wanted_metric
$$;
