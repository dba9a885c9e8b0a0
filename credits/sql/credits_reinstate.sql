-- Gives back what an invoice took of a customer's grants, to the grants it took it from.
-- Takes: a tenant, an array of one credits_draw (customer_id, invoice_id, reason). Returns: one row for each reinstating transaction, and
-- at least one. `outcome` is posted; replayed, where all of it was given back before (the rows are then all that ever gave back); nothing,
-- where the invoice took nothing.
-- Locks: by id, the grants that the invoice drew on and those that they may roll over to. It chooses and locks them, and looks again until
-- there is no other, because a draw that was under way may have drawn on more. Where one comes out of order it raises deadlock_detected,
-- as credits_lock_customer_grants does.
-- Never: gives back more than was taken.
CREATE OR REPLACE FUNCTION credits_reinstate(tenant uuid, postings jsonb)
RETURNS TABLE (
    outcome text, id uuid, grant_id uuid, type text, kind text, amount numeric, reason text, invoice_id text, entry_number bigint,
    balance_after numeric, cost_basis numeric, occurred_at timestamp with time zone, created_at timestamp with time zone
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, postings -> 0);
    locked uuid[] := '{}';
    missing uuid[];
    moment timestamptz;
    planned jsonb;
BEGIN
    LOOP
        missing := ARRAY(
            SELECT DISTINCT entry.grant_id FROM credits_transaction entry
            WHERE entry.tenant_id = tenant AND entry.invoice_id = draw.invoice_id AND entry.invoice_id <> ''
              AND entry.customer_id = draw.customer_id AND entry.grant_id <> ALL (locked)
            ORDER BY entry.grant_id
        );
        EXIT WHEN missing = '{}';
        missing := ARRAY(
            SELECT DISTINCT chosen.id FROM unnest(missing || credits_later_periods(tenant, missing)) chosen (id)
            WHERE chosen.id <> ALL (locked) ORDER BY chosen.id
        );
        IF missing[1] < locked[cardinality(locked)] THEN
            RAISE EXCEPTION 'an invoice drew on a grant out of the order of locks' USING ERRCODE = 'deadlock_detected';
        END IF;
        PERFORM FROM credits_grant grant_row WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (missing)
        ORDER BY grant_row.id FOR NO KEY UPDATE;
        locked := locked || missing;
    END LOOP;
    moment := ledger_now();

    SELECT jsonb_agg(jsonb_build_object(
        'id', ledger_new_id(), 'grant_id', owed.grant_id, 'kind', 'reinstatement', 'type', 'CREDIT', 'amount', owed.amount,
        'reason', draw.reason, 'invoice_id', draw.invoice_id, 'now', moment + owed.grant_number * interval '1 microsecond',
        'actor', draw.actor, 'request_id', draw.request_id
    ) ORDER BY owed.grant_id) INTO planned
    FROM (
        SELECT of_grant.id AS grant_id, of_grant.grant_number, credits_taken_by_invoice(tenant, of_grant.id, draw.invoice_id) AS amount
        FROM unnest(locked) WITH ORDINALITY of_grant (id, grant_number)
    ) owed
    WHERE owed.amount > 0;
    PERFORM credits_post_decided(tenant, planned);

    RETURN QUERY
    SELECT CASE WHEN entry.id IS NULL THEN 'nothing' WHEN planned IS NULL THEN 'replayed' ELSE 'posted' END AS outcome, entry.id,
           entry.grant_id, entry.type::text, entry.kind::text, entry.amount, entry.reason::text, entry.invoice_id::text,
           entry.entry_number, entry.balance_after, entry.cost_basis, entry.occurred_at, entry.created_at
    -- One row without columns: there is a reply also where nothing was posted.
    FROM (SELECT) reply
    LEFT JOIN credits_transaction entry
        ON entry.tenant_id = tenant AND entry.invoice_id = draw.invoice_id AND entry.kind = 'reinstatement'
        AND entry.grant_id = ANY (locked)
        AND (planned IS NULL OR entry.id IN (SELECT (posting ->> 'id')::uuid FROM jsonb_array_elements(planned) posting))
    ORDER BY entry.grant_id, entry.entry_number;
END
$$;
