-- Burn-down: one amount drawn across a customer's grants in order, and reinstatement: an invoice's draws given back to where they came from.
-- Both decide under the locks of all grants concerned, and both leave the writing to credits_post.

-- What a customer's credit is asked for. `currency` and `metric_id`: which units, one of them or both.
CREATE TYPE credits_draw AS (
    tenant_id uuid, id uuid, customer_id text, currency text, metric_id text, amount numeric, partial boolean, expires_at timestamptz,
    reason text, invoice_id text, billing_run_id text, now timestamptz, idempotency_key text, facts_digest bytea, actor text, request_id text
);

CREATE FUNCTION credits_could_pay(account credits_grant, wanted_currency text, wanted_metric text, day date)
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT account.status = 'open' AND account.balance > 0
        AND day >= account.effective_date AND (account.expiry_date IS NULL OR day <= account.expiry_date)
        AND (account.unit_type = 'CURRENCY' AND account.currency = wanted_currency
             OR account.unit_type = 'METRIC' AND account.metric_id = wanted_metric)
$$;

-- The grants that could pay, locked in the order of their keys, without what overdue holds seemed to reserve of them.
CREATE FUNCTION credits_lock_payers(draw credits_draw) RETURNS credits_grant[] LANGUAGE plpgsql AS $$
DECLARE
    accounts credits_grant[];
BEGIN
    SELECT array_agg(locked) INTO accounts FROM (
        SELECT account.*
        FROM credits_grant account
        WHERE account.tenant_id = draw.tenant_id AND account.customer_id = draw.customer_id
          AND credits_could_pay(account, draw.currency, draw.metric_id, credits_day(draw.now))
        ORDER BY account.tenant_id, account.id
        FOR NO KEY UPDATE
    ) locked;
    IF EXISTS (SELECT FROM unnest(accounts) WHERE held > 0) THEN
        accounts := credits_release_overdue(accounts, draw.now, draw.actor, draw.request_id);
    END IF;
    RETURN coalesce(accounts, '{}');
END
$$;

-- How an amount is drawn across grants: which pays how much, and the ordering values that chose it. Rows stop where the amount is covered.
CREATE FUNCTION credits_plan(accounts credits_grant[], amount numeric)
RETURNS TABLE (rank int, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb) LANGUAGE sql STABLE AS $$
    WITH ranked AS (
        SELECT account.*, account.balance - account.held AS available, row_number() OVER burn_down AS rank,
               sum(account.balance - account.held) OVER burn_down - (account.balance - account.held) AS covered
        FROM unnest(accounts) account
        WHERE account.balance > account.held
        WINDOW burn_down AS (
            -- METRIC before CURRENCY and promotional before paid: both are the later word.
            ORDER BY account.priority, account.unit_type COLLATE "C" DESC, account.expiry_date NULLS LAST, account.category COLLATE "C" DESC,
                     account.effective_date, account.created_at, account.id
        )
    )
    SELECT rank::int, id, ranked.name::text, ranked.available, least(ranked.available, amount - covered),
           jsonb_build_object(
               'rank', rank, 'priority', priority, 'unit_type', unit_type, 'expiry_date', expiry_date, 'category', category,
               'effective_date', effective_date, 'available', trim_scale(ranked.available)::text,
               'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
           )
    FROM ranked
    WHERE covered < amount
    ORDER BY rank
$$;

-- The same plan for a look, without a lock: what overdue holds seem to reserve is left out of account here, too.
CREATE FUNCTION credits_preview(tenant uuid, customer text, wanted_currency text, wanted_metric text, amount numeric, moment timestamptz)
RETURNS TABLE (rank int, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb) LANGUAGE sql STABLE AS $$
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

-- Posts what was decided under locks that are still held: an outcome other than `posted` is then a fault of ours, and nothing stays.
CREATE FUNCTION credits_post_all(postings jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    failed text;
BEGIN
    SELECT string_agg(DISTINCT outcome, ', ') INTO failed FROM credits_post(coalesce(postings, '[]')) WHERE outcome <> 'posted';
    IF failed IS NOT NULL THEN
        RAISE EXCEPTION 'a planned posting was refused: %', failed;
    END IF;
END
$$;

-- Draws an amount; takes an array of one draw. Outcomes: posted, replayed, conflict, insufficient. One row for each transaction, and at
-- least one row: the columns up to `booked_at` are the draw's own.
CREATE FUNCTION credits_consume(draws jsonb) RETURNS TABLE (
    outcome text, consumption_id uuid, amount numeric, taken numeric, balance numeric, available numeric, first_digest bytea, booked_at timestamptz,
    id uuid, grant_id uuid, entry_amount numeric, entry_number bigint, balance_after numeric, cost_basis numeric, occurred_at timestamptz,
    created_at timestamptz, chosen_by jsonb
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    draw CONSTANT credits_draw := jsonb_populate_record(NULL::credits_draw, draws -> 0);
    accounts CONSTANT credits_grant[] := credits_lock_payers(draw);
    total numeric;
    there numeric;
    known credits_consumption;
    word text;
    moment CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT coalesce(sum(balance), 0), coalesce(sum(balance - held), 0) INTO total, there FROM unnest(accounts);
    SELECT * INTO known FROM credits_consumption WHERE tenant_id = draw.tenant_id AND idempotency_key = draw.idempotency_key;
    IF known.id IS NOT NULL THEN
        word := CASE WHEN known.facts_digest = draw.facts_digest THEN 'replayed' ELSE 'conflict' END;
    ELSIF there < draw.amount AND NOT draw.partial THEN
        word := 'insufficient';
    ELSE
        word := 'posted';
        INSERT INTO credits_consumption
            (tenant_id, id, customer_id, currency, metric_id, amount, taken, partial, reason, invoice_id, billing_run_id,
             idempotency_key, facts_digest, occurred_at, created_at, actor, request_id)
        VALUES
            (draw.tenant_id, draw.id, draw.customer_id, coalesce(draw.currency, ''), coalesce(draw.metric_id, ''), draw.amount,
             least(there, draw.amount), draw.partial, draw.reason, draw.invoice_id, draw.billing_run_id,
             draw.idempotency_key, draw.facts_digest, credits_moment(draw.now, moment), moment, draw.actor, draw.request_id)
        RETURNING * INTO known;
        PERFORM credits_post_all((
            SELECT jsonb_agg(jsonb_build_object(
                'tenant_id', draw.tenant_id, 'id', credits_new_id(), 'grant_id', plan.grant_id, 'kind', 'consumption', 'type', 'DEBIT',
                'amount', plan.taken, 'reason', draw.reason, 'invoice_id', draw.invoice_id, 'billing_run_id', draw.billing_run_id,
                'now', draw.now, 'consumption_id', draw.id, 'chosen_by', plan.chosen_by, 'actor', draw.actor, 'request_id', draw.request_id
            ) ORDER BY plan.rank)
            FROM credits_plan(accounts, draw.amount) plan
        ));
    END IF;

    RETURN QUERY
    SELECT word, known.id, coalesce(known.amount, draw.amount), coalesce(known.taken, 0), total, there, known.facts_digest, known.created_at,
           entry.id, entry.grant_id, entry.amount, entry.entry_number, entry.balance_after, entry.cost_basis, entry.occurred_at,
           entry.created_at, entry.chosen_by
    FROM (SELECT) one
    LEFT JOIN credits_transaction entry ON entry.tenant_id = draw.tenant_id AND entry.consumption_id = known.id
    ORDER BY (entry.chosen_by ->> 'rank')::int;
END
$$;

-- Gives back what an invoice took of a customer's grants, to the grants it took it from. Outcomes: posted; replayed, where all of it was
-- given back before; nothing, where the invoice took nothing. One row for each reinstating transaction.
CREATE FUNCTION credits_reinstate(draws jsonb) RETURNS TABLE (
    outcome text, id uuid, grant_id uuid, type text, kind text, amount numeric, reason text, invoice_id text, entry_number bigint,
    balance_after numeric, cost_basis numeric, occurred_at timestamptz, created_at timestamptz
) LANGUAGE plpgsql AS $$
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
