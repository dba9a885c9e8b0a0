-- Previews a draw without taking it: the same decisions as credits_consume, but without locks, so a draw a moment later may differ.
-- Takes: a tenant, a customer, the wanted units, an amount. Returns: the rows of credits_split_draw. Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION credits_preview(tenant uuid, customer text, wanted_currency text, wanted_metric text, amount numeric)
RETURNS TABLE (
    rank integer, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb
)
LANGUAGE sql VOLATILE
AS $$
    WITH present AS MATERIALIZED (SELECT ledger_now() AS moment), payers AS (
        SELECT array_agg(jsonb_populate_record(
            account, jsonb_build_object('held', credits_held_at(account, 'infinity', present.moment))
        )) AS accounts
        FROM present, credits_grant account
        WHERE account.tenant_id = tenant AND account.customer_id = customer
          AND credits_has_unit(account, wanted_currency, wanted_metric) AND credits_is_usable(account, ledger_day(present.moment))
    )
    SELECT part.rank, part.grant_id, part.name, part.available, part.taken, part.chosen_by
    FROM payers
    CROSS JOIN LATERAL credits_split_draw(payers.accounts, amount) part
    ORDER BY part.rank
$$;
