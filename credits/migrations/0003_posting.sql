-- How a grant's balance moves. Every transaction of this ledger is written by credits_post or, the opening ones, by credits_open.

-- One posting on a named grant, as the services send it. `now` is the application's clock; `occurred_at` is given only where the caller
-- dates the posting otherwise. The kinds expiry, void and deletion come without an amount: it is what is left when the grant is locked.
CREATE TYPE credits_posting AS (
    tenant_id uuid, id uuid, grant_id uuid, kind text, type text, amount numeric, reason text, invoice_id text, billing_run_id text,
    now timestamptz, occurred_at timestamptz, idempotency_key text, facts_digest bytea, reverses_id uuid, consumption_id uuid,
    hold_id uuid, chosen_by jsonb, actor text, request_id text
);

-- What became of it. `balance`, `held`, `status` and the dates are the grant's when it was decided; `taken` is what the cited invoice
-- still had of the grant; `reversed_by` names the earlier reversal; `first_digest` belongs to the transaction that had the key first.
CREATE TYPE credits_outcome AS (
    outcome text, id uuid, grant_id uuid, customer_id text, type text, kind text, amount numeric, reason text, invoice_id text,
    billing_run_id text, occurred_at timestamptz, created_at timestamptz, entry_number bigint, balance_after numeric, cost_basis numeric,
    reverses_id uuid, consumption_id uuid, hold_id uuid, chosen_by jsonb, actor text, request_id text, first_digest bytea,
    balance numeric, held numeric, status text, effective_date date, expiry_date date, taken numeric, reversed_by uuid
);

-- UUIDv7, for the rows whose number only the database knows: 48 bits of milliseconds over a random UUID, version and variant set.
CREATE FUNCTION credits_new_id() RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        set_bit(set_bit(overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex'
    )::uuid
$$;

CREATE FUNCTION credits_day(moment timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT (moment AT TIME ZONE 'UTC')::date
$$;

-- When a posting without a date of its own happened. Where the application's clock and the book's agree to the minute there is one time.
CREATE FUNCTION credits_moment(now timestamptz, created_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN abs(extract(epoch FROM now - created_at)) < 60 THEN created_at ELSE now END
$$;

-- The part of a grant's cost that its balance stands for. It depends on the balance alone, so whatever the path, the cost bases of all
-- transactions add up to exactly the cost. What exceeds the original amount was not paid for.
CREATE FUNCTION credits_cost(account credits_grant) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT round(
        account.cost_of_credit * least(account.balance, account.original_amount) / account.original_amount, 18
    )
$$;

-- Why a posting may not be; null where it may. `taken`: what the cited invoice has of this grant, less what was given back. A burn-down
-- has chosen its grants by their dates already, and a capture may outlive them.
CREATE FUNCTION credits_refusal(item credits_posting, account credits_grant, day date, taken numeric)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN account.id IS NULL OR account.status = 'deleted' THEN 'not_found'
        WHEN account.status = 'voided' AND item.kind IN ('debit', 'credit') THEN 'voided'
        WHEN item.kind = 'debit' AND day < account.effective_date THEN 'not_yet_effective'
        WHEN item.kind = 'debit' AND day > account.expiry_date THEN 'expired'
        WHEN item.type = 'DEBIT' AND item.amount > account.balance - account.held THEN 'insufficient'
        WHEN item.type = 'CREDIT' AND item.invoice_id <> '' AND item.amount > taken THEN 'more_than_taken'
        WHEN item.type = 'CREDIT' AND account.balance + item.amount >= 1e20 THEN 'too_large'
    END
$$;

-- Why a grant may not be closed; null where it may.
CREATE FUNCTION credits_closing_refusal(kind text, account credits_grant, today date) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN account.id IS NULL OR (account.status = 'deleted' AND kind <> 'deletion') THEN 'not_found'
        WHEN kind = 'deletion' AND account.status = 'deleted' THEN 'closed_before'
        WHEN kind = 'deletion' AND (account.last_entry_number > 1 OR account.held > 0) THEN 'drawn_on'
        WHEN kind = 'void' AND account.status = 'voided' THEN 'closed_before'
        WHEN kind = 'void' AND account.held > 0 THEN 'held'
        WHEN kind = 'expiry' AND account.status <> 'open' THEN 'closed_before'
        WHEN kind = 'expiry' AND (account.expiry_date IS NULL OR account.expiry_date >= today) THEN 'not_due'
    END
$$;

-- Lets go of what overdue holds reserve of the given grants, which the caller has locked, and returns the grants as they are then.
-- The holds themselves are closed by their own job: nothing waits for it, because an overdue hold reserves nothing.
CREATE FUNCTION credits_release_overdue(accounts credits_grant[], moment timestamptz, who text, request text)
RETURNS credits_grant[] LANGUAGE plpgsql AS $$
DECLARE
    account credits_grant;
    released numeric;
BEGIN
    FOR place IN 1 .. cardinality(accounts) LOOP
        account := accounts[place];
        CONTINUE WHEN account.held = 0;
        WITH overdue AS (
            SELECT line.tenant_id, line.id, line.hold_id, line.grant_id, line.remaining,
                   sum(line.remaining) OVER (ORDER BY line.expires_at, line.id) AS released_so_far,
                   row_number() OVER (ORDER BY line.expires_at, line.id) AS number
            FROM credits_holdline line
            WHERE line.tenant_id = account.tenant_id AND line.grant_id = account.id
              AND line.remaining > 0 AND line.expires_at <= moment
        ), emptied AS (
            UPDATE credits_holdline line SET remaining = 0 FROM overdue
            WHERE line.tenant_id = overdue.tenant_id AND line.id = overdue.id
        ), written AS (
            INSERT INTO credits_holdentry
                (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
            SELECT overdue.tenant_id, credits_new_id(), overdue.hold_id, overdue.grant_id, 'expired', overdue.remaining,
                   account.held - overdue.released_so_far, '', moment,
                   clock_timestamp() + overdue.number * interval '1 microsecond', who, request
            FROM overdue
        )
        SELECT sum(overdue.remaining) INTO released FROM overdue;
        CONTINUE WHEN released IS NULL;
        account.held := account.held - released;
        UPDATE credits_grant SET held = account.held WHERE tenant_id = account.tenant_id AND id = account.id;
        accounts[place] := account;
    END LOOP;
    RETURN accounts;
END
$$;

-- The planner's settings pin every look-up to an index probe from the array's side, and keep the plans: a plan for each call costs more than
-- the call, and one made while the tables were small or not yet analysed would scan them.
CREATE FUNCTION credits_post(postings jsonb) RETURNS SETOF credits_outcome LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    items credits_posting[];
    item credits_posting;
    accounts credits_grant[];
    account credits_grant;
    -- Where each grant stands among the accounts. A map, because a join of two arrays looks at every pair.
    places jsonb;
    account_numbers int[];
    -- For each item: who had its key before, what its invoice has of the grant, and numbers for equal keys and equal (grant, invoice).
    known credits_transaction[];
    takens numeric[];
    reversals uuid[];
    key_numbers int[];
    invoice_numbers int[];
    first_with_key credits_transaction[];
    taken_since numeric[];
    entries credits_transaction[] := '{}';
    entry credits_transaction;
    word text;
    today date;
    taken numeric;
    cost_before numeric;
BEGIN
    SELECT array_agg(item) INTO items FROM jsonb_populate_recordset(NULL::credits_posting, postings) item;
    IF items IS NULL THEN
        RETURN;
    END IF;

    -- Always in the order of their keys: two calls with common grants queue up instead of deadlocking.
    SELECT array_agg(locked) INTO accounts FROM (
        SELECT account.*
        FROM credits_grant account
        WHERE (account.tenant_id, account.id) IN (SELECT wanted.tenant_id, wanted.grant_id FROM unnest(items) wanted)
        ORDER BY account.tenant_id, account.id
        FOR NO KEY UPDATE
    ) locked;
    accounts := coalesce(accounts, '{}');
    SELECT jsonb_object_agg(tenant_id || '/' || id, ordinality) INTO places FROM unnest(accounts) WITH ORDINALITY;
    -- In the name of whoever came to that grant: one array may hold postings of several callers.
    FOR place IN 1 .. cardinality(accounts) LOOP
        CONTINUE WHEN (accounts[place]).held = 0;
        SELECT * INTO item FROM unnest(items) given
        WHERE given.tenant_id = (accounts[place]).tenant_id AND given.grant_id = (accounts[place]).id
        LIMIT 1;
        accounts[place:place] := credits_release_overdue(accounts[place:place], item.now, item.actor, item.request_id);
    END LOOP;

    -- One look at all that the decisions need, with the locks in hand.
    SELECT array_agg((places ->> (wanted.tenant_id || '/' || wanted.grant_id))::int ORDER BY wanted.ordinality),
           array_agg(known ORDER BY wanted.ordinality),
           array_agg(coalesce(invoice.taken, 0) ORDER BY wanted.ordinality), array_agg(reversal.id ORDER BY wanted.ordinality),
           array_agg(wanted.key_number ORDER BY wanted.ordinality), array_agg(wanted.invoice_number ORDER BY wanted.ordinality)
    INTO account_numbers, known, takens, reversals, key_numbers, invoice_numbers
    FROM (
        SELECT *, dense_rank() OVER (ORDER BY tenant_id, idempotency_key) AS key_number,
               dense_rank() OVER (ORDER BY tenant_id, grant_id, invoice_id) AS invoice_number
        FROM unnest(items) WITH ORDINALITY
    ) wanted
    LEFT JOIN credits_transaction known
        ON known.tenant_id = wanted.tenant_id AND known.idempotency_key = wanted.idempotency_key
    LEFT JOIN credits_transaction reversal
        ON reversal.tenant_id = wanted.tenant_id AND reversal.reverses_id = wanted.reverses_id
    LEFT JOIN LATERAL (
        SELECT sum(CASE cited.type WHEN 'DEBIT' THEN cited.amount ELSE -cited.amount END) AS taken
        FROM credits_transaction cited
        WHERE cited.tenant_id = wanted.tenant_id AND cited.invoice_id = wanted.invoice_id AND cited.grant_id = wanted.grant_id
          AND cited.invoice_id <> ''
    ) invoice ON wanted.type = 'CREDIT' AND wanted.invoice_id <> '';

    FOR place IN 1 .. cardinality(items) LOOP
        item := items[place];
        account := accounts[account_numbers[place]];
        today := credits_day(item.now);
        taken := takens[place] + coalesce(taken_since[invoice_numbers[place]], 0);
        entry := known[place];
        IF entry.id IS NULL AND item.idempotency_key IS NOT NULL THEN
            entry := first_with_key[key_numbers[place]];
        END IF;

        IF entry.id IS NOT NULL THEN
            word := CASE WHEN entry.facts_digest = item.facts_digest THEN 'replayed' ELSE 'conflict' END;
        ELSIF reversals[place] IS NOT NULL THEN
            word := 'reversed_before';
        ELSE
            entry.created_at := greatest(clock_timestamp(), account.last_entry_at + interval '1 microsecond');
            entry.occurred_at := coalesce(item.occurred_at, credits_moment(item.now, entry.created_at));
            IF item.kind IN ('expiry', 'void', 'deletion') THEN
                word := credits_closing_refusal(item.kind, account, today);
                item.amount := account.balance - account.held;
                IF item.kind = 'expiry' THEN
                    entry.occurred_at := (account.expiry_date + 1)::timestamp AT TIME ZONE 'UTC';
                END IF;
            ELSE
                word := credits_refusal(item, account, credits_day(entry.occurred_at), taken);
            END IF;
            word := coalesce(word, CASE WHEN item.amount = 0 THEN 'nothing_left' ELSE 'posted' END);
        END IF;

        IF word = 'posted' THEN
            cost_before := credits_cost(account);
            account.balance := account.balance + CASE item.type WHEN 'CREDIT' THEN item.amount ELSE -item.amount END;
            account.last_entry_number := account.last_entry_number + 1;
            account.last_entry_at := entry.created_at;
            entry.id := item.id;
            entry.tenant_id := item.tenant_id;
            entry.grant_id := account.id;
            entry.customer_id := account.customer_id;
            entry.type := item.type;
            entry.kind := item.kind;
            entry.amount := item.amount;
            entry.entry_number := account.last_entry_number;
            entry.balance_after := account.balance;
            entry.cost_basis := abs(credits_cost(account) - cost_before);
            entry.reason := coalesce(item.reason, '');
            entry.invoice_id := coalesce(item.invoice_id, '');
            entry.billing_run_id := coalesce(item.billing_run_id, '');
            entry.reverses_id := item.reverses_id;
            entry.consumption_id := item.consumption_id;
            entry.hold_id := item.hold_id;
            entry.chosen_by := item.chosen_by;
            entry.idempotency_key := item.idempotency_key;
            entry.facts_digest := item.facts_digest;
            entry.actor := item.actor;
            entry.request_id := item.request_id;
            entries := entries || entry;
            first_with_key[key_numbers[place]] := entry;
            taken_since[invoice_numbers[place]] := coalesce(taken_since[invoice_numbers[place]], 0)
                + CASE item.type WHEN 'DEBIT' THEN item.amount ELSE -item.amount END;
        END IF;

        RETURN NEXT ROW(
            word, entry.id, coalesce(entry.grant_id, item.grant_id), entry.customer_id, entry.type, entry.kind, entry.amount, entry.reason,
            entry.invoice_id, entry.billing_run_id, entry.occurred_at, entry.created_at, entry.entry_number, entry.balance_after,
            entry.cost_basis, entry.reverses_id, entry.consumption_id, entry.hold_id, entry.chosen_by, entry.actor, entry.request_id,
            entry.facts_digest, account.balance, account.held, account.status, account.effective_date, account.expiry_date, taken,
            reversals[place]
        )::credits_outcome;

        IF word IN ('posted', 'nothing_left') AND item.kind IN ('expiry', 'void', 'deletion') THEN
            account.status := CASE item.kind
                WHEN 'void' THEN 'voided' WHEN 'deletion' THEN 'deleted'
                -- What a hold reserves outlives the expiry date; the grant stays open to be expired again when it is let go.
                ELSE CASE WHEN account.held > 0 THEN 'open' ELSE 'expired' END
            END;
            account.closed_at := CASE WHEN account.status = 'open' THEN NULL ELSE entry.created_at END;
        ELSIF word = 'posted' AND item.type = 'CREDIT' AND account.balance > account.held
            AND (account.status = 'voided' OR account.expiry_date < today) THEN
            -- Credit given back to a grant that is no more goes the way of the rest at once.
            cost_before := credits_cost(account);
            entry.id := credits_new_id();
            entry.type := 'DEBIT';
            entry.kind := CASE account.status WHEN 'voided' THEN 'void' ELSE 'expiry' END;
            entry.amount := account.balance - account.held;
            entry.created_at := entry.created_at + interval '1 microsecond';
            IF entry.kind = 'expiry' THEN
                entry.occurred_at := greatest(entry.occurred_at, (account.expiry_date + 1)::timestamp AT TIME ZONE 'UTC');
            END IF;
            account.balance := account.held;
            account.last_entry_number := account.last_entry_number + 1;
            account.last_entry_at := entry.created_at;
            entry.entry_number := account.last_entry_number;
            entry.balance_after := account.balance;
            entry.cost_basis := abs(credits_cost(account) - cost_before);
            entry.reason := '';
            entry.invoice_id := '';
            entry.billing_run_id := '';
            entry.reverses_id := NULL;
            entry.consumption_id := NULL;
            entry.hold_id := NULL;
            entry.chosen_by := NULL;
            entry.idempotency_key := NULL;
            entry.facts_digest := NULL;
            entries := entries || entry;
        END IF;
        IF account.id IS NOT NULL THEN
            accounts[account_numbers[place]] := account;
        END IF;
    END LOOP;

    UPDATE credits_grant account
    SET balance = moved.balance, last_entry_number = moved.last_entry_number, last_entry_at = moved.last_entry_at,
        status = moved.status, closed_at = moved.closed_at
    FROM unnest(accounts) moved
    WHERE account.tenant_id = moved.tenant_id AND account.id = moved.id
      AND (account.last_entry_number, account.status) IS DISTINCT FROM (moved.last_entry_number, moved.status);
    INSERT INTO credits_transaction SELECT * FROM unnest(entries);

    -- A plan made while the table was empty takes every index for equally good, and then reads all of a tenant's entries for each key. It is
    -- made again once the table is analysed; autovacuum comes by only every minute, and a first import doesn't wait for it.
    IF EXISTS (
        SELECT FROM unnest(entries) made, unnest('{100, 5000}'::bigint[]) mark
        WHERE made.entry_number = mark AND (SELECT reltuples FROM pg_class WHERE oid = 'credits_transaction'::regclass) < mark / 2
    ) THEN
        ANALYZE (SKIP_LOCKED) credits_transaction;
    END IF;
END
$$;

-- A grant to be made, as the services send it.
CREATE TYPE credits_opening AS (
    tenant_id uuid, id uuid, entry_id uuid, customer_id text, name text, unit_type text, currency text, metric_id text, category text,
    priority int, amount numeric, cost_of_credit numeric, effective_date date, expiry_date date, schedule_id uuid, period int, reason text,
    now timestamptz, idempotency_key text, facts_digest bytea, actor text, request_id text
);

-- Makes grants, each with its opening transaction. Outcomes: posted; replayed or conflict, where the key or the id was used before.
CREATE FUNCTION credits_open(openings jsonb) RETURNS TABLE (
    outcome text, id uuid, customer_id text, name text, unit_type text, currency text, metric_id text, category text, priority int,
    original_amount numeric, cost_of_credit numeric, effective_date date, expiry_date date, balance numeric, held numeric, status text,
    created_at timestamptz, first_digest bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    items credits_opening[];
    fresh uuid[];
    moment CONSTANT timestamptz := clock_timestamp();
BEGIN
    SELECT array_agg(item) INTO items FROM jsonb_populate_recordset(NULL::credits_opening, openings) item;

    SELECT array_agg(id) INTO fresh FROM (
        SELECT DISTINCT ON (item.tenant_id, coalesce(item.idempotency_key, item.id::text)) item.id
        FROM unnest(items) WITH ORDINALITY item
        WHERE NOT EXISTS (
            SELECT FROM credits_grant known
            WHERE known.tenant_id = item.tenant_id AND (known.idempotency_key = item.idempotency_key OR known.id = item.id)
        )
        ORDER BY item.tenant_id, coalesce(item.idempotency_key, item.id::text), item.ordinality
    ) unknown;

    WITH fresh_items AS (
        -- A grant that took effect before it was booked counts in the world from that day.
        SELECT item.*, CASE
            WHEN item.effective_date < credits_day(credits_moment(item.now, moment)) THEN item.effective_date::timestamp AT TIME ZONE 'UTC'
            ELSE credits_moment(item.now, moment)
        END AS occurred_at
        FROM unnest(items) item WHERE item.id = ANY (fresh)
    ), opened AS (
        INSERT INTO credits_grant
            (tenant_id, id, customer_id, name, unit_type, currency, metric_id, category, priority, original_amount, cost_of_credit,
             effective_date, expiry_date, schedule_id, period, idempotency_key, facts_digest, balance, held, last_entry_number,
             last_entry_at, status, occurred_at, created_at, actor, request_id)
        SELECT tenant_id, id, customer_id, name, unit_type, currency, metric_id, category, priority, amount, cost_of_credit,
               effective_date, expiry_date, schedule_id, period, idempotency_key, facts_digest, amount, 0, 1,
               moment, 'open', occurred_at, moment, actor, request_id
        FROM fresh_items
    )
    INSERT INTO credits_transaction
        (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
         billing_run_id, occurred_at, created_at, actor, request_id)
    SELECT tenant_id, entry_id, id, customer_id, 'CREDIT', 'opening', amount, 1, amount, cost_of_credit, coalesce(reason, ''), '',
           '', occurred_at, moment, actor, request_id
    FROM fresh_items;

    RETURN QUERY
    SELECT CASE
               WHEN account.id = item.id AND item.id = ANY (fresh) THEN 'posted'
               WHEN account.facts_digest = item.facts_digest THEN 'replayed'
               ELSE 'conflict'
           END,
           account.id, account.customer_id::text, account.name::text, account.unit_type::text, account.currency::text,
           account.metric_id::text, account.category::text, account.priority::int, account.original_amount, account.cost_of_credit,
           account.effective_date, account.expiry_date, account.balance, account.held, account.status::text, account.created_at,
           account.facts_digest
    FROM unnest(items) WITH ORDINALITY item
    CROSS JOIN LATERAL (
        SELECT known.* FROM credits_grant known
        WHERE known.tenant_id = item.tenant_id AND (known.idempotency_key = item.idempotency_key OR known.id = item.id)
        ORDER BY known.idempotency_key = item.idempotency_key DESC NULLS LAST
        LIMIT 1
    ) account
    ORDER BY item.ordinality;
END
$$;
