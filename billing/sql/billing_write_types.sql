-- Adds the types that posted entries use and the catalogue lacks: shipped ones under their label, others uncatalogued.
--
-- Takes: the tenant, its postings and the decisions on them. Returns: nothing.
-- Locks: the new rows' keys, by code. Where another call adds the same code meanwhile, its row stays; if its direction differs, the entry's
-- foreign key refuses this call, and it is made again.
-- Never: changes a type that exists.
CREATE OR REPLACE FUNCTION billing_write_types(tenant uuid, items billing_posting[], decisions billing_decision[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(decisions) AS line WHERE line.is_new_type AND line.outcome = 'posted') THEN
        RETURN;
    END IF;
    INSERT INTO billing_transactiontype (id, tenant_id, code, label, direction, is_catalogued, created_by)
    SELECT DISTINCT ON (line.entry_type COLLATE "C")
        gen_random_uuid(), tenant, line.entry_type, coalesce(line.shipped_label, line.entry_type), line.entry_direction,
        line.shipped_label IS NOT NULL, line.actor
    FROM ROWS FROM (unnest(items), unnest(decisions)) WITH ORDINALITY AS line
    WHERE line.outcome = 'posted' AND line.is_new_type
    ORDER BY line.entry_type COLLATE "C", line.ordinality
    ON CONFLICT (tenant_id, code) DO NOTHING;
END;
$$;
