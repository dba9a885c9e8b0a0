-- The plans are kept: one for each call costs more than the call. They must stay good for tables of every size, also for the empty ones that
-- they are first made for, so the settings shut out what is only good for small tables, and no look-up of a grant leaves a choice: `IS NOT
-- DISTINCT FROM` opens no index, and what remains is that of `id`. (To an empty table's planner all indexes that begin with the tenant look
-- alike, and the wrong one reads all of a tenant's rows.)
CREATE OR REPLACE FUNCTION credits_post(postings jsonb)
RETURNS SETOF credits_outcome
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    -- Below this the walk is as fast.
    MANY CONSTANT int := 6;
    items CONSTANT credits_posting[] := ARRAY(SELECT item FROM jsonb_populate_recordset(NULL::credits_posting, postings) item);
    tenants uuid[];
    grants uuid[];
    item credits_posting;
    account credits_grant;
    moved credits_grant;
    entry credits_transaction;
    known credits_transaction;
    word text;
    today date;
    taken numeric;
    reversal uuid;
BEGIN
    IF cardinality(items) > 1 THEN
        SELECT array_agg(DISTINCT tenant_id), array_agg(DISTINCT grant_id) INTO tenants, grants FROM unnest(items);
        -- Always in the order of their keys: two calls with common grants queue up instead of deadlocking.
        PERFORM FROM credits_grant
        WHERE id = ANY (grants) AND array_position(tenants, tenant_id) IS NOT NULL
        ORDER BY tenant_id, id
        FOR NO KEY UPDATE;
    END IF;
    IF cardinality(items) > MANY THEN
        RETURN QUERY SELECT * FROM credits_post_together(items);
        IF FOUND THEN
            RETURN;
        END IF;
    END IF;

    FOREACH item IN ARRAY items LOOP
        SELECT * INTO account FROM credits_grant
        WHERE id = item.grant_id AND tenant_id IS NOT DISTINCT FROM item.tenant_id
        FOR NO KEY UPDATE;
        IF account.held > 0 THEN
            -- In the name of whoever came to that grant.
            account := (credits_release_overdue(ARRAY[account], item.now, item.actor, item.request_id))[1];
        END IF;
        today := credits_day(item.now);
        taken := 0;
        reversal := NULL;
        IF item.type = 'CREDIT' AND item.invoice_id <> '' THEN
            SELECT coalesce(sum(CASE cited.type WHEN 'DEBIT' THEN cited.amount ELSE -cited.amount END), 0) INTO taken
            FROM credits_transaction cited
            WHERE cited.tenant_id = item.tenant_id AND cited.invoice_id = item.invoice_id AND cited.grant_id = item.grant_id
              AND cited.invoice_id <> '';
        END IF;
        IF item.reverses_id IS NOT NULL THEN
            SELECT id INTO reversal FROM credits_transaction WHERE tenant_id = item.tenant_id AND reverses_id = item.reverses_id;
        END IF;

        entry := NULL;
        entry.created_at := greatest(clock_timestamp(), account.last_entry_at + interval '1 microsecond');
        entry.occurred_at := coalesce(item.occurred_at, credits_moment(item.now, entry.created_at));
        IF reversal IS NOT NULL THEN
            word := 'reversed_before';
        ELSIF item.kind IN ('expiry', 'void', 'deletion') THEN
            word := credits_closing_refusal(item.kind, account, today);
            item.amount := account.balance - account.held;
            IF item.kind = 'expiry' THEN
                entry.occurred_at := (account.expiry_date + 1)::timestamp AT TIME ZONE 'UTC';
            END IF;
        ELSE
            word := credits_refusal(
                item.kind, item.type, item.amount, item.invoice_id, account, account.balance, credits_day(entry.occurred_at), taken
            );
        END IF;
        word := coalesce(word, CASE WHEN item.amount = 0 THEN 'nothing_left' ELSE 'posted' END);

        moved := account;
        IF word = 'posted' THEN
            moved.balance := account.balance + CASE item.type WHEN 'CREDIT' THEN item.amount ELSE -item.amount END;
            moved.last_entry_number := account.last_entry_number + 1;
            moved.last_entry_at := entry.created_at;
            entry.cost_basis := abs(credits_cost(account, moved.balance) - credits_cost(account, account.balance));
            -- The unique index says whether the key was used before, so that the book need not be asked first.
            INSERT INTO credits_transaction
                (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
                 billing_run_id, occurred_at, created_at, reverses_id, consumption_id, hold_id, chosen_by, idempotency_key, facts_digest,
                 actor, request_id)
            VALUES
                (item.tenant_id, item.id, item.grant_id, account.customer_id, item.type, item.kind, item.amount, moved.last_entry_number,
                 moved.balance, entry.cost_basis, coalesce(item.reason, ''), coalesce(item.invoice_id, ''), coalesce(item.billing_run_id, ''),
                 entry.occurred_at, entry.created_at, item.reverses_id, item.consumption_id, item.hold_id, item.chosen_by,
                 item.idempotency_key, item.facts_digest, item.actor, item.request_id)
            ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
            RETURNING * INTO entry;
        END IF;
        IF item.idempotency_key IS NOT NULL AND (word <> 'posted' OR entry.id IS NULL) THEN
            SELECT * INTO known FROM credits_transaction WHERE tenant_id = item.tenant_id AND idempotency_key = item.idempotency_key;
            IF FOUND THEN
                word := CASE WHEN known.facts_digest = item.facts_digest THEN 'replayed' ELSE 'conflict' END;
                entry := known;
                moved := account;
            END IF;
        END IF;

        RETURN NEXT ROW(
            word, entry.id, coalesce(entry.grant_id, item.grant_id), entry.customer_id, entry.type, entry.kind, entry.amount, entry.reason,
            entry.invoice_id, entry.billing_run_id, entry.occurred_at, entry.created_at, entry.entry_number, entry.balance_after,
            entry.cost_basis, entry.reverses_id, entry.consumption_id, entry.hold_id, entry.chosen_by, entry.actor, entry.request_id,
            entry.facts_digest, moved.balance, moved.held, moved.status, moved.effective_date, moved.expiry_date, taken, reversal
        )::credits_outcome;

        IF word IN ('posted', 'nothing_left') AND item.kind IN ('expiry', 'void', 'deletion') THEN
            moved.status := CASE item.kind
                WHEN 'void' THEN 'voided' WHEN 'deletion' THEN 'deleted'
                -- What a hold reserves outlives the expiry date; the grant stays open to be expired again when it is let go.
                ELSE CASE WHEN moved.held > 0 THEN 'open' ELSE 'expired' END
            END;
            moved.closed_at := CASE WHEN moved.status = 'open' THEN NULL ELSE entry.created_at END;
        ELSIF word = 'posted' AND item.type = 'CREDIT' AND moved.balance > moved.held
            AND (moved.status = 'voided' OR moved.expiry_date < today) THEN
            -- Credit given back to a grant that is no more goes the way of the rest at once.
            account := moved;
            moved.balance := moved.held;
            moved.last_entry_number := account.last_entry_number + 1;
            moved.last_entry_at := entry.created_at + interval '1 microsecond';
            INSERT INTO credits_transaction
                (tenant_id, id, grant_id, customer_id, type, kind, amount, entry_number, balance_after, cost_basis, reason, invoice_id,
                 billing_run_id, occurred_at, created_at, actor, request_id)
            VALUES
                (item.tenant_id, credits_new_id(), account.id, account.customer_id, 'DEBIT',
                 CASE account.status WHEN 'voided' THEN 'void' ELSE 'expiry' END, account.balance - account.held, moved.last_entry_number,
                 moved.balance, abs(credits_cost(account, moved.balance) - credits_cost(account, account.balance)), '', '', '',
                 CASE account.status WHEN 'voided' THEN entry.occurred_at
                     ELSE greatest(entry.occurred_at, (account.expiry_date + 1)::timestamp AT TIME ZONE 'UTC') END,
                 moved.last_entry_at, item.actor, item.request_id);
        END IF;
        IF word IN ('posted', 'nothing_left') THEN
            UPDATE credits_grant
            SET balance = moved.balance, last_entry_number = moved.last_entry_number, last_entry_at = moved.last_entry_at,
                status = moved.status, closed_at = moved.closed_at
            WHERE id = item.grant_id AND tenant_id IS NOT DISTINCT FROM item.tenant_id;
        END IF;
    END LOOP;
END
$$;
