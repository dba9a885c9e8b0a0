-- Posts entries to a tenant's wallets.
--
-- Takes: the tenant, and an array of postings (attributes of billing_posting).
-- Returns: one row for each posting, in their order. Outcomes: posted; exists (the key was used before: the row is the first entry, and
-- the caller compares digests); insufficient, out_of_range, negative_amount, unknown_type, not_found, not_reversible, already_reversed,
-- exceeds_original. What is refused leaves nothing behind, not even a wallet. Each posting is decided for itself.
-- Locks: the wallets by id; under these their overdue holds, the rows of new types by code, and daily totals by currency, day and type.
-- Before them, where a wallet is opened: the tenant, its policy, the new wallet's key. The clock is read when all wallets are locked.
-- Never: changes an entry, except for how much of it is reversed; touches another tenant's rows; compares digests.
--
-- One posting that reverses nothing is decided and written here in short statements: the steps for arrays (billing_post_array) take 2.2 to
-- 2.4 times as long (docs/performance.md). Whatever this form can't post (used key, new wallet, new type, refusal) it leaves to them.
-- Its INSERT has a twin in billing_write_entries: a new column of billing_transaction goes into both.
--
-- The settings hold for every function that is called from here; why these, docs/performance.md says ("Plans that are kept").
CREATE OR REPLACE FUNCTION billing_post(tenant uuid, postings jsonb) RETURNS SETOF billing_outcome
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    -- Called for its side effect: sets lock_timeout before the first statement that may wait.
    lock_timeout CONSTANT text := ledger_set_lock_timeout(postings);
    posting billing_posting;
    wallet billing_wallet;
    direction text;
    is_catalogued boolean;
    is_strict boolean;
    reach interval;
    entry billing_transaction;
    -- Without the column's limit of digits: a balance that has too many is refused, not an error.
    change numeric;
    new_balance numeric;
    has_listener boolean;
BEGIN
    IF jsonb_array_length(postings) = 1 AND postings -> 0 ->> 'reverses' IS NULL THEN
        posting := jsonb_populate_record(NULL::billing_posting, postings -> 0);
        SELECT * INTO wallet FROM billing_wallet
        WHERE tenant_id = tenant
            AND currency = coalesce(posting.currency, (SELECT owner.currency FROM tenants_tenant owner WHERE owner.id = tenant))
        FOR NO KEY UPDATE;
        IF wallet.held > 0 THEN
            wallet := billing_expire_overdue_holds(tenant, wallet, coalesce(posting.now, ledger_now()), posting.actor, posting.request_id);
        END IF;
        SELECT kind.direction, kind.is_catalogued, coalesce(policy.strict_types, false),
            billing_near_duplicate_reach(policy.near_duplicate_seconds)
        INTO direction, is_catalogued, is_strict, reach
        FROM billing_transactiontype kind LEFT JOIN billing_policy policy ON policy.tenant_id = tenant
        WHERE kind.tenant_id = tenant AND kind.code = posting.type;

        change := billing_effect(direction, posting.amount, false);
        new_balance := wallet.balance + change;
        IF wallet.id IS NOT NULL AND direction IS NOT NULL AND billing_posting_refusal(
            is_strict => is_strict, is_catalogued => is_catalogued, direction => direction, amount => posting.amount, effect => change,
            balance => wallet.balance, held => wallet.held, floor => wallet.floor
        ) IS NULL THEN
            -- The real clock, also where a test moves ledger_now: the order of entries follows it, never before the newest one.
            entry.created_at := greatest(clock_timestamp(), wallet.last_entry_at);
            entry.occurred_at := coalesce(posting.occurred_at, entry.created_at);
            SELECT earlier.id INTO entry.near_duplicate_of_id
            FROM billing_find_near_duplicate(
                tenant, wallet.id, posting.type, posting.amount, posting.agent_id, entry.occurred_at, reach
            ) AS earlier;
            -- The unique index says whether the key was used before: no look-up by key, which a plan for an empty table could get wrong.
            INSERT INTO billing_transaction (
                id, tenant_id, wallet_id, currency, entry_number, type, direction, amount, effect, balance_after, reference_id, agent_id,
                description, metadata, occurred_at, created_at, reason_code, reason, reversed_amount, flags, near_duplicate_of_id,
                duplicate_bucket, facts_digest, actor, request_id)
            VALUES (
                posting.id, tenant, wallet.id, wallet.currency, wallet.last_entry_number + 1, posting.type, direction, posting.amount,
                change, new_balance, posting.reference_id, posting.agent_id, posting.description, posting.metadata::json,
                entry.occurred_at, entry.created_at, coalesce(posting.reason_code, ''), coalesce(posting.reason, ''), 0,
                CASE WHEN entry.near_duplicate_of_id IS NULL THEN '{}'::text[] ELSE '{near_duplicate}'::text[] END,
                entry.near_duplicate_of_id,
                billing_duplicate_bucket(billing_hour(entry.occurred_at), posting.type, posting.amount, posting.agent_id),
                decode(posting.facts_digest, 'hex'), posting.actor, posting.request_id)
            ON CONFLICT (tenant_id, reference_id, type) DO NOTHING
            RETURNING * INTO entry;
        END IF;
    END IF;
    IF entry.id IS NULL THEN
        RETURN QUERY SELECT * FROM billing_post_array(tenant, postings);
        RETURN;
    END IF;

    -- The listener is looked up here because a statement of its own costs three times as much.
    UPDATE billing_wallet SET balance = entry.balance_after, last_entry_number = entry.entry_number, last_entry_at = entry.created_at
    WHERE tenant_id = tenant AND id = wallet.id
    RETURNING EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) INTO has_listener;
    INSERT INTO billing_dailytotal AS total (id, tenant_id, currency, type, day, entries, credits, debits)
    VALUES (
        gen_random_uuid(), tenant, entry.currency, entry.type, ledger_day(entry.occurred_at), 1,
        greatest(entry.effect, 0), greatest(-entry.effect, 0))
    ON CONFLICT (tenant_id, currency, day, type) DO UPDATE
    SET entries = total.entries + excluded.entries, credits = total.credits + excluded.credits, debits = total.debits + excluded.debits;
    IF has_listener THEN
        PERFORM billing_write_events(tenant, entry.request_id, ARRAY[entry.id]);
    END IF;
    RETURN NEXT billing_make_outcome(
        'posted', entry, entry.currency, entry.balance_after, wallet.held, wallet.floor, abs(entry.effect), NULL, NULL
    );
END;
$$;
