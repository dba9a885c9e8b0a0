-- Posts an array as a set, or, where anything in it wants a closer look, writes nothing and returns nothing: a posting that would be
-- refused, a credit that cites an invoice, a reversal, a closing, a credit to a grant that is over, and a key that was used before.
-- Takes: a tenant, postings. Returns: their outcomes in order, all posted; or no row.
-- Locks: nothing; the caller has locked the grants. Never: decides other than credits_post_item would: both ask credits_refusal.
CREATE OR REPLACE FUNCTION credits_post_set(tenant uuid, items credits_posting[]) RETURNS SETOF credits_outcome LANGUAGE plpgsql
AS $$
DECLARE
    moment CONSTANT timestamptz := credits_now();
    turn record;
    entry credits_transaction;
    account credits_grant;
    entries credits_transaction[] := '{}';
    results credits_outcome[] := '{}';
BEGIN
    FOR turn IN
        SELECT given.*, found.whole AS account, signed.effect, row_number() OVER of_grant AS number,
               (found.whole).balance + sum(signed.effect) OVER of_grant - signed.effect AS before
        FROM unnest(items) WITH ORDINALITY AS given
        -- OFFSET keeps this from being turned inside out: a few thousand probes, and not the book for each posting.
        LEFT JOIN LATERAL (
            SELECT candidate AS whole FROM credits_grant candidate
            WHERE candidate.tenant_id = tenant AND candidate.id = given.grant_id
            OFFSET 0
        ) found ON true
        CROSS JOIN LATERAL (SELECT CASE given.type WHEN 'CREDIT' THEN given.amount ELSE -given.amount END AS effect) signed
        WINDOW of_grant AS (PARTITION BY given.grant_id ORDER BY given.ordinality)
        ORDER BY given.ordinality
    LOOP
        account := turn.account;
        entry.created_at := greatest(coalesce(turn.now, moment), account.last_entry_at + interval '1 microsecond')
            + (turn.number - 1) * interval '1 microsecond';
        entry.occurred_at := coalesce(turn.occurred_at, entry.created_at);
        IF turn.kind IN ('expiry', 'void', 'deletion') OR turn.reverses_id IS NOT NULL OR account.status IS DISTINCT FROM 'open'
            OR turn.type = 'CREDIT' AND credits_is_over(account, credits_day(coalesce(turn.as_of, turn.now, moment)))
            OR credits_refusal(
                turn.kind, turn.type, turn.amount, turn.invoice_id, account, turn.before,
                credits_day(entry.occurred_at), 0, NULL
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
        results := results || credits_outcome_of('posted', entry, account);
    END LOOP;
    IF NOT credits_write_entries(tenant, entries) THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM unnest(results);
END
$$;
