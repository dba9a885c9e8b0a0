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
    moment CONSTANT timestamptz := ledger_now();
    turn record;
    entry credits_transaction;
    account credits_grant;
    entries credits_transaction[] := '{}';
    results credits_outcome[] := '{}';
BEGIN
    FOR turn IN
        SELECT item.*, grant_row.whole AS account, signed.effect, row_number() OVER of_grant AS number,
               (grant_row.whole).balance + sum(signed.effect) OVER of_grant - signed.effect AS before
        FROM unnest(items) WITH ORDINALITY AS item
        -- OFFSET 0 stops the planner from flattening this subquery into a full scan.
        LEFT JOIN LATERAL (
            SELECT candidate AS whole FROM credits_grant candidate
            WHERE candidate.tenant_id = tenant AND candidate.id = item.grant_id
            OFFSET 0
        ) grant_row ON true
        CROSS JOIN LATERAL (SELECT CASE item.type WHEN 'CREDIT' THEN item.amount ELSE -item.amount END AS effect) signed
        WINDOW of_grant AS (PARTITION BY item.grant_id ORDER BY item.ordinality)
        ORDER BY item.ordinality
    LOOP
        account := turn.account;
        entry.created_at := greatest(coalesce(turn.now, moment), account.last_entry_at + interval '1 microsecond')
            + (turn.number - 1) * interval '1 microsecond';
        entry.occurred_at := coalesce(turn.occurred_at, entry.created_at);
        IF turn.kind IN ('expiry', 'void', 'deletion') OR turn.reverses_id IS NOT NULL OR account.status IS DISTINCT FROM 'open'
            -- What its invoice took isn't summed here.
            OR turn.type = 'CREDIT' AND turn.invoice_id <> ''
            OR turn.type = 'CREDIT' AND credits_is_over(account, ledger_day(coalesce(turn.as_of, turn.now, moment)))
            OR credits_posting_refusal(
                turn.kind, turn.type, turn.amount, turn.invoice_id, account, turn.before,
                ledger_day(entry.occurred_at), NULL, NULL
            ) IS NOT NULL
        THEN
            RETURN;
        END IF;
        entry.tenant_id := tenant;
        entry.id := turn.id;
        entry.grant_id := turn.grant_id;
        entry.customer_id := account.customer_id;
        entry.type := turn.type;
        entry.kind := turn.kind;
        entry.amount := turn.amount;
        entry.entry_number := account.last_entry_number + turn.number;
        entry.balance_after := turn.before + turn.effect;
        entry.cost_basis := credits_cost_basis(account, turn.before, entry.balance_after);
        entry.reason := coalesce(turn.reason, '');
        entry.invoice_id := coalesce(turn.invoice_id, '');
        entry.billing_run_id := coalesce(turn.billing_run_id, '');
        entry.consumption_id := turn.consumption_id;
        entry.hold_id := turn.hold_id;
        entry.chosen_by := turn.chosen_by;
        entry.idempotency_key := turn.idempotency_key;
        entry.facts_digest := turn.facts_digest;
        entry.actor := turn.actor;
        entry.request_id := turn.request_id;
        account.balance := entry.balance_after;
        entries := entries || entry;
        results := results || credits_make_outcome('posted', entry, turn.grant_id, account, NULL, NULL, NULL);
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
