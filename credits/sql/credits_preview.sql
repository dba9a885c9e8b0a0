-- The same plan for a look, without a lock: what overdue holds seem to reserve is left out of account here, too.
CREATE OR REPLACE FUNCTION credits_preview(tenant uuid, customer text, wanted_currency text, wanted_metric text, amount numeric, moment timestamp with time zone)
RETURNS TABLE (
    rank integer, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb
)
LANGUAGE sql STABLE
AS $$
    SELECT plan.*
    FROM (
        SELECT array_agg(jsonb_populate_record(account, jsonb_build_object('held', account.held - coalesce(overdue.amount, 0)))) AS accounts
        FROM credits_grant account
        LEFT JOIN LATERAL (
            SELECT sum(line.remaining) AS amount
            FROM credits_holdline line
            WHERE line.tenant_id = account.tenant_id AND line.grant_id = account.id AND line.remaining > 0 AND line.expires_at <= moment
        ) overdue ON account.held > 0
        WHERE account.tenant_id = tenant AND account.customer_id = customer
          AND credits_could_pay(account, wanted_currency, wanted_metric, credits_day(moment))
    ) payers
    CROSS JOIN LATERAL credits_plan(payers.accounts, amount) plan
    ORDER BY plan.rank
$$;
