-- Finds the grants that a rollover may reach from these: the next period's, and the one after it where that period is over as well.
-- Takes: a tenant, ids of grants. Returns: ids; a given one is among them only if another given one rolls over to it. Empty where none is
-- recurring.
-- Locks: nothing. A caller locks them together with its own, by id: an imported period may have a lower id than the period before it.
CREATE OR REPLACE FUNCTION credits_later_periods(tenant uuid, grants uuid[]) RETURNS uuid[] LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (
        WITH RECURSIVE ended AS (
            SELECT grant_row.recurring_grant_id, grant_row.period
            FROM credits_grant grant_row
            WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (grants) AND grant_row.recurring_grant_id IS NOT NULL
              AND credits_is_over(grant_row.expiry_date, ledger_day(ledger_now()))
            UNION
            SELECT later.recurring_grant_id, later.period
            FROM ended
            JOIN credits_grant later
                ON later.tenant_id = tenant AND later.recurring_grant_id = ended.recurring_grant_id AND later.period = ended.period + 1
                AND credits_is_over(later.expiry_date, ledger_day(ledger_now()))
        )
        SELECT coalesce(array_agg(DISTINCT later.id), '{}')
        FROM ended
        JOIN credits_grant later
            ON later.tenant_id = tenant AND later.recurring_grant_id = ended.recurring_grant_id AND later.period = ended.period + 1
    );
END
$$;
