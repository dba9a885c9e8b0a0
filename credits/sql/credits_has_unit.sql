-- Decides whether a grant is counted in one of the wanted units.
-- Takes: a grant, a currency or null, a metric's id or null. Returns: true; otherwise false or null.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION credits_has_unit(grant_row credits_grant, wanted_currency text, wanted_metric text) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT grant_row.unit_type = 'CURRENCY' AND grant_row.currency = wanted_currency
        OR grant_row.unit_type = 'METRIC' AND grant_row.metric_id = wanted_metric
$$;
