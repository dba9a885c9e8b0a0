-- Posts an array, or, where anything in it wants a closer look, writes nothing and returns nothing: a posting that would be refused, a
-- reversal, a closing, a credit to a grant that is no more, and, found by the unique index alone, a key that was used before.
-- The grants are locked by the caller.
CREATE OR REPLACE FUNCTION credits_post_together(items credits_posting[]) RETURNS SETOF credits_outcome LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    entries credits_transaction[];
    may_go boolean;
    newest jsonb;
    moment CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT bool_and(
               item.kind NOT IN ('expiry', 'void', 'deletion') AND item.reverses_id IS NULL AND item.status = 'open'
               AND NOT (item.type = 'CREDIT' AND item.expiry_date < credits_day(item.now))
               AND credits_refusal(
                   item.kind, item.type, item.amount, item.invoice_id, item.account, item.before, credits_day(item.occurred_at), 0
               ) IS NULL
           ),
           -- In the order of the table's columns.
           array_agg(ROW(
               item.id, item.occurred_at, item.created_at, item.actor, item.request_id, item.customer_id, item.type, item.kind, item.amount,
               item.last_entry_number + item.turn, item.before + item.effect,
               abs(credits_cost(item.account, item.before + item.effect) - credits_cost(item.account, item.before)),
               coalesce(item.reason, ''), coalesce(item.invoice_id, ''), coalesce(item.billing_run_id, ''), item.chosen_by,
               item.idempotency_key, item.facts_digest, item.consumption_id, item.reverses_id, item.tenant_id, item.grant_id, item.hold_id
           )::credits_transaction ORDER BY item.place)
    INTO may_go, entries
    FROM (
        SELECT turned.*, coalesce(turned.occurred_at_given, credits_moment(turned.now, turned.created_at)) AS occurred_at
        FROM (
            SELECT given.tenant_id, given.id, given.grant_id, given.kind, given.type, given.amount, given.reason, given.invoice_id,
                   given.billing_run_id, given.now, given.occurred_at AS occurred_at_given, given.idempotency_key, given.facts_digest,
                   given.reverses_id, given.consumption_id, given.hold_id, given.chosen_by, given.actor, given.request_id,
                   given.ordinality AS place, account.whole AS account, account.customer_id, account.status, account.expiry_date, account.last_entry_number,
                   signed.effect, account.balance + sum(signed.effect) OVER of_grant - signed.effect AS before,
                   row_number() OVER of_grant AS turn,
                   greatest(moment, account.last_entry_at + interval '1 microsecond')
                       + (row_number() OVER of_grant - 1) * interval '1 microsecond' AS created_at
            FROM unnest(items) WITH ORDINALITY given
            -- OFFSET keeps this from being turned inside out: a few thousand probes, and not the book for each posting.
            LEFT JOIN LATERAL (
                SELECT found AS whole, found.customer_id, found.status, found.expiry_date, found.balance, found.last_entry_number, found.last_entry_at
                FROM credits_grant found
                WHERE found.id = given.grant_id AND found.tenant_id IS NOT DISTINCT FROM given.tenant_id
                OFFSET 0
            ) account ON true
            CROSS JOIN LATERAL (SELECT CASE given.type WHEN 'CREDIT' THEN given.amount ELSE -given.amount END AS effect) signed
            WINDOW of_grant AS (PARTITION BY given.tenant_id, given.grant_id ORDER BY given.ordinality)
        ) turned
    ) item;
    IF may_go IS NOT TRUE THEN
        RETURN;
    END IF;

    BEGIN
        INSERT INTO credits_transaction SELECT * FROM unnest(entries);
    EXCEPTION WHEN unique_violation THEN
        RETURN;
    END;
    -- The later of two values of one name is the one that a jsonb object keeps. A map, because a join of two arrays looks at every pair.
    SELECT jsonb_object_agg(tenant_id || '/' || grant_id, jsonb_build_array(balance_after, entry_number, created_at) ORDER BY entry_number)
    INTO newest FROM unnest(entries);
    UPDATE credits_grant account
    SET balance = (newest -> (tenant_id || '/' || id) ->> 0)::numeric, last_entry_number = (newest -> (tenant_id || '/' || id) ->> 1)::bigint,
        last_entry_at = (newest -> (tenant_id || '/' || id) ->> 2)::timestamptz
    WHERE id = ANY (ARRAY(SELECT DISTINCT grant_id FROM unnest(entries))) AND newest ? (tenant_id || '/' || id);
    RETURN QUERY
    SELECT 'posted', entry.id, entry.grant_id, entry.customer_id::text, entry.type::text, entry.kind::text, entry.amount, entry.reason::text,
           entry.invoice_id::text, entry.billing_run_id::text, entry.occurred_at, entry.created_at, entry.entry_number, entry.balance_after,
           entry.cost_basis, entry.reverses_id, entry.consumption_id, entry.hold_id, entry.chosen_by, entry.actor::text,
           entry.request_id::text, entry.facts_digest, entry.balance_after, NULL::numeric, 'open', NULL::date, NULL::date, NULL::numeric,
           NULL::uuid
    FROM unnest(entries) entry;
END
$$;
