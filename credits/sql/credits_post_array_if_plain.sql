-- Called by credits_post: posts an array with one statement for its transactions and one for its grants, if all of it is plain. It gives
-- up, with no row returned and nothing written, if any posting in it needs credits_post_single: one that would be refused, a credit that
-- cites an invoice, a reversal, a closing, a posting on a grant that isn't open, a credit to a grant past its last day, or a key that was
-- used before.
-- Takes: a tenant, postings. Returns: their outcomes in order, all posted; or no row.
-- Locks: nothing; the caller has locked the grants. Never: decides differently from credits_post_single, because both ask
-- credits_posting_refusal.
CREATE OR REPLACE FUNCTION credits_post_array_if_plain(tenant uuid, items credits_posting[]) RETURNS SETOF credits_outcome LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz;
    posting record;
    entry credits_transaction;
    grant_row credits_grant;
    entries credits_transaction[] := '{}';
    results credits_outcome[] := '{}';
BEGIN
    moment := ledger_now();
    FOR posting IN
        SELECT item.*, locked_grant.whole AS grant_row, signed.effect, row_number() OVER of_grant AS number,
               (locked_grant.whole).balance + sum(signed.effect) OVER of_grant - signed.effect AS before
        FROM unnest(items) WITH ORDINALITY AS item
        -- OFFSET 0 stops the planner from flattening this subquery into a full scan.
        LEFT JOIN LATERAL (
            SELECT candidate AS whole FROM credits_grant candidate
            WHERE candidate.tenant_id = tenant AND candidate.id = item.grant_id
            OFFSET 0
        ) locked_grant ON true
        CROSS JOIN LATERAL (SELECT CASE item.type WHEN 'CREDIT' THEN item.amount ELSE -item.amount END AS effect) signed
        WINDOW of_grant AS (PARTITION BY item.grant_id ORDER BY item.ordinality)
        ORDER BY item.ordinality
    LOOP
        grant_row := posting.grant_row;
        entry.created_at := greatest(coalesce(posting.now, moment), grant_row.last_entry_at + interval '1 microsecond')
            + (posting.number - 1) * interval '1 microsecond';
        entry.occurred_at := coalesce(posting.occurred_at, entry.created_at);
        IF posting.kind IN ('expiry', 'void', 'deletion') OR posting.reverses_id IS NOT NULL OR grant_row.status IS DISTINCT FROM 'open'
            -- What its invoice took isn't summed here.
            OR posting.type = 'CREDIT' AND posting.invoice_id <> ''
            OR posting.type = 'CREDIT' AND credits_is_over(grant_row.expiry_date, ledger_day(coalesce(posting.as_of, posting.now, moment)))
            OR credits_posting_refusal(
                posting.kind, posting.type, posting.amount, posting.invoice_id, grant_row, posting.before,
                ledger_day(entry.occurred_at), NULL, NULL
            ) IS NOT NULL
        THEN
            RETURN;
        END IF;
        entry.tenant_id := tenant;
        entry.id := posting.id;
        entry.grant_id := posting.grant_id;
        entry.customer_id := grant_row.customer_id;
        entry.type := posting.type;
        entry.kind := posting.kind;
        entry.amount := posting.amount;
        entry.entry_number := grant_row.last_entry_number + posting.number;
        entry.balance_after := posting.before + posting.effect;
        entry.cost_basis := credits_cost_basis(grant_row, posting.before, entry.balance_after);
        entry.reason := coalesce(posting.reason, '');
        entry.invoice_id := coalesce(posting.invoice_id, '');
        entry.billing_run_id := coalesce(posting.billing_run_id, '');
        entry.consumption_id := posting.consumption_id;
        entry.hold_id := posting.hold_id;
        entry.chosen_by := posting.chosen_by;
        entry.idempotency_key := posting.idempotency_key;
        entry.facts_digest := posting.facts_digest;
        entry.actor := posting.actor;
        entry.request_id := posting.request_id;
        grant_row.balance := entry.balance_after;
        entries := entries || entry;
        results := results || credits_make_outcome('posted', entry, posting.grant_id, grant_row, NULL, NULL, NULL);
    END LOOP;
    IF NOT credits_write_entries(tenant, entries) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM credits_write_events(tenant, items[1].request_id, ARRAY(SELECT id FROM unnest(entries)), NULL);
    END IF;
    RETURN QUERY SELECT * FROM unnest(results);
END
$$;
