-- Gives back what an invoice took of a customer's grants, to the grants it took it from. Outcomes: posted; replayed, where all of it was
-- given back before; nothing, where the invoice took nothing. One row for each reinstating transaction.
CREATE OR REPLACE FUNCTION credits_reinstate(draws jsonb)
RETURNS TABLE (
    outcome text, id uuid, grant_id uuid, type text, kind text, amount numeric, reason text, invoice_id text, entry_number bigint,
    balance_after numeric, cost_basis numeric, occurred_at timestamp with time zone, created_at timestamp with time zone
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, draws -> 0);
    concerned uuid[];
    postings jsonb;
BEGIN
    SELECT array_agg(locked.id) INTO concerned FROM (
        SELECT account.id
        FROM credits_grant account
        WHERE account.tenant_id = draw.tenant_id AND account.customer_id = draw.customer_id AND account.id IN (
            SELECT entry.grant_id FROM credits_transaction entry
            WHERE entry.tenant_id = draw.tenant_id AND entry.invoice_id = draw.invoice_id AND entry.invoice_id <> ''
        )
        ORDER BY account.tenant_id, account.id
        FOR NO KEY UPDATE
    ) locked;

    SELECT jsonb_agg(jsonb_build_object(
        'tenant_id', draw.tenant_id, 'id', credits_new_id(), 'grant_id', owed.grant_id, 'kind', 'reinstatement', 'type', 'CREDIT',
        'amount', owed.amount, 'reason', draw.reason, 'invoice_id', draw.invoice_id, 'now', draw.now, 'actor', draw.actor,
        'request_id', draw.request_id
    ) ORDER BY owed.grant_id) INTO postings
    FROM (
        SELECT entry.grant_id, sum(CASE entry.type WHEN 'DEBIT' THEN entry.amount ELSE -entry.amount END) AS amount
        FROM credits_transaction entry
        WHERE entry.tenant_id = draw.tenant_id AND entry.invoice_id = draw.invoice_id AND entry.invoice_id <> ''
          AND entry.grant_id = ANY (concerned)
        GROUP BY entry.grant_id
    ) owed
    WHERE owed.amount > 0;
    PERFORM credits_post_all(postings);

    RETURN QUERY
    SELECT CASE WHEN entry.id IS NULL THEN 'nothing' WHEN postings IS NULL THEN 'replayed' ELSE 'posted' END, entry.id, entry.grant_id,
           entry.type::text, entry.kind::text, entry.amount, entry.reason::text, entry.invoice_id::text, entry.entry_number,
           entry.balance_after, entry.cost_basis, entry.occurred_at, entry.created_at
    FROM (SELECT) one
    LEFT JOIN credits_transaction entry
        ON entry.tenant_id = draw.tenant_id AND entry.invoice_id = draw.invoice_id AND entry.kind = 'reinstatement'
        AND entry.grant_id = ANY (concerned)
        AND (postings IS NULL OR entry.id IN (SELECT (posting ->> 'id')::uuid FROM jsonb_array_elements(postings) posting))
    ORDER BY entry.created_at, entry.id;
END
$$;
