-- Adds the posted entries to the totals of their currency, type and UTC day in world time.
--
-- Takes: the tenant, and the decisions on its postings. Returns: nothing.
-- Locks: the totals, by currency, day and type. Never: subtracts; a reversal counts on the side where it moves the balance.
CREATE OR REPLACE FUNCTION billing_write_totals(tenant uuid, decisions billing_decision[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO billing_dailytotal AS total (id, tenant_id, currency, type, day, entries, credits, debits)
    SELECT gen_random_uuid(), tenant, line.wallet_currency, line.entry_type, ledger_day(line.entry_occurred_at) AS day,
        count(*), sum(greatest(line.entry_effect, 0)), sum(greatest(-line.entry_effect, 0))
    FROM unnest(decisions) AS line
    WHERE line.outcome = 'posted'
    GROUP BY line.wallet_currency, line.entry_type, day
    ORDER BY line.wallet_currency, day, line.entry_type COLLATE "C"
    ON CONFLICT (tenant_id, currency, day, type) DO UPDATE
    SET entries = total.entries + excluded.entries, credits = total.credits + excluded.credits, debits = total.debits + excluded.debits;
END;
$$;
