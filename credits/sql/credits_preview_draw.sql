-- Previews a draw without taking it: the same decisions as credits_consume, but without locks, so a draw a moment later may differ.
-- Takes: a tenant, a customer, the wanted units, an amount. Returns: the rows of credits_split_draw. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION credits_preview_draw(tenant uuid, customer text, wanted_currency text, wanted_metric text, amount numeric)
RETURNS TABLE (
    rank integer, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb
)
LANGUAGE sql VOLATILE
AS $$
    WITH present AS MATERIALIZED (SELECT ledger_now() AS moment), payers AS (
        SELECT array_agg(jsonb_populate_record(
            grant_row, jsonb_build_object('held', credits_held_at(grant_row, 'infinity', present.moment))
        )) AS grant_rows
        FROM present, credits_grant grant_row
        WHERE grant_row.tenant_id = tenant AND grant_row.customer_id = customer
          AND credits_has_unit(grant_row, wanted_currency, wanted_metric) AND credits_is_usable(grant_row, ledger_day(present.moment))
    )
    SELECT part.rank, part.grant_id, part.name, part.available, part.taken, part.chosen_by
    FROM payers
    CROSS JOIN LATERAL credits_split_draw(payers.grant_rows, amount) part
    ORDER BY part.rank
$$;
