-- Decides the order in which a burn-down draws on grants: ORDER BY credits_burn_down_order(grant_row).
-- Takes: a grant. Returns: its key. Keys are compared in this order; the grant with the lower value is drawn on first:
--   1. priority        0 to 100.
--   2. unit type       METRIC before CURRENCY.
--   3. expiry date     the earlier first, grants without one last.
--   4. category        promotional before paid.
--   5. effective date  the earlier first.
--   6. created_at      the earlier first.
--   7. id              so that the order is always the same.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION credits_burn_down_order(grant_row credits_grant) RETURNS credits_burn_down_key LANGUAGE sql IMMUTABLE
AS $$
    SELECT (
        grant_row.priority, grant_row.unit_type = 'CURRENCY', coalesce(grant_row.expiry_date, 'infinity'::date),
        grant_row.category = 'paid', grant_row.effective_date, grant_row.created_at, grant_row.id
    )::credits_burn_down_key
$$;
