-- Records on the originals how much of them is reversed, and by which reversal in full.
--
-- Takes: the tenant, its postings and the decisions on them. Returns: nothing.
-- Locks: nothing that another call could hold: the originals change only under their wallets' locks. Never: touches another column.
CREATE OR REPLACE FUNCTION billing_mark_reversed(tenant uuid, items billing_posting[], decisions billing_decision[]) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM unnest(items) AS item WHERE item.reverses IS NOT NULL) THEN
        RETURN;
    END IF;
    UPDATE billing_transaction original
    SET reversed_amount = original.reversed_amount + reversal.amount,
        reversed_by_id = CASE WHEN original.reversed_amount + reversal.amount = abs(original.effect) THEN reversal.last_id END
    FROM (
        SELECT line.reverses, sum(abs(line.entry_effect)) AS amount, (array_agg(line.id ORDER BY line.ordinality DESC))[1] AS last_id
        FROM ROWS FROM (unnest(items), unnest(decisions)) WITH ORDINALITY AS line
        WHERE line.outcome = 'posted' AND line.reverses IS NOT NULL
        GROUP BY line.reverses
    ) AS reversal
    WHERE original.id = reversal.reverses AND original.tenant_id = tenant;
END;
$$;
