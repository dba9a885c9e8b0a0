-- Records an array of postings, each on its own merits, in the caller's order; one row of answer for each, in that order.
--
-- Outcomes: posted, replayed, conflict, insufficient, out_of_range, negative_amount, unknown_type, not_found, not_reversible,
-- already_reversed, exceeds_original. What is refused leaves nothing, not even its wallet.
--
-- Locks are taken in one order by every call: new wallets by (tenant, currency), then wallets by (tenant, currency), then, all under those,
-- types and daily totals. The wallet's lock covers everything that is decided here but the key, whose unique constraint catches the rest.
--
-- The planner's settings pin every look-up to an index probe: a plan made while the tables were small or not yet analysed would scan them.
CREATE OR REPLACE FUNCTION billing_post(postings jsonb)
RETURNS TABLE (
    outcome text, id uuid, tenant_id uuid, wallet_id uuid, currency text, entry_number bigint, type text, direction text,
    amount numeric, effect numeric, balance_after numeric, reference_id text, agent_id text, description text, metadata text,
    occurred_at timestamp with time zone, created_at timestamp with time zone, reverses_id uuid, reason_code text, reason text,
    reversed_amount numeric, reversed_by_id uuid, flags text[], near_duplicate_of_id uuid, actor text, first_digest bytea,
    balance numeric, floor numeric, requested numeric, remaining numeric, blocking_id uuid
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    item billing_posting;
    wallet billing_wallet;
    entry billing_transaction;
    catalogued billing_transactiontype;
    rule billing_policy;
    kind bigint;
    change numeric;
    balance_now numeric;
BEGIN
    IF jsonb_array_length(postings) = 1 AND postings -> 0 ->> 'reverses' IS NULL THEN
        item := jsonb_populate_record(NULL::billing_posting, postings -> 0);
        SELECT * INTO wallet FROM billing_wallet
        WHERE tenant_id = item.tenant_id AND currency = coalesce(
            item.currency, (SELECT tenant.currency FROM tenants_tenant tenant WHERE tenant.id = item.tenant_id)
        )
        FOR NO KEY UPDATE;
        SELECT * INTO catalogued FROM billing_transactiontype WHERE tenant_id = item.tenant_id AND code = item.type;
        SELECT * INTO rule FROM billing_policy WHERE tenant_id = item.tenant_id;

        change := CASE catalogued.direction WHEN 'debit' THEN -item.amount ELSE item.amount END;
        balance_now := wallet.balance + change;
        IF wallet.id IS NOT NULL AND catalogued.id IS NOT NULL AND (catalogued.is_catalogued OR rule.strict_types IS NOT TRUE)
            AND (item.amount >= 0 OR catalogued.direction = 'signed') AND abs(balance_now) < 1e20
            AND (change >= 0 OR wallet.floor IS NULL OR balance_now >= wallet.floor)
        THEN
            entry.created_at := greatest(clock_timestamp(), wallet.last_entry_at);
            entry.occurred_at := coalesce(item.occurred_at, entry.created_at);
            entry.type := item.type;
            entry.amount := item.amount;
            entry.agent_id := item.agent_id;
            kind := hash_record_extended(ROW(item.type, item.amount, item.agent_id), 0) & 4294967295;
            IF coalesce(rule.near_duplicate_seconds, 60) > 0 THEN
                entry.near_duplicate_of_id := billing_twin(
                    item.tenant_id, wallet.id, kind, entry, make_interval(secs => coalesce(rule.near_duplicate_seconds, 60))
                );
            END IF;
            -- The unique index says whether the key was used before, so that the book need not be asked first.
            INSERT INTO billing_transaction (
                id, tenant_id, wallet_id, currency, entry_number, type, direction, amount, effect, balance_after, reference_id, agent_id,
                description, metadata, occurred_at, created_at, reason_code, reason, reversed_amount, flags, near_duplicate_of_id, likeness,
                facts_digest, actor, request_id)
            VALUES (
                item.id, item.tenant_id, wallet.id, wallet.currency, wallet.last_entry_number + 1, item.type, catalogued.direction, item.amount,
                change, balance_now, item.reference_id, item.agent_id, item.description, item.metadata, entry.occurred_at,
                entry.created_at, coalesce(item.reason_code, ''), coalesce(item.reason, ''), 0,
                CASE WHEN entry.near_duplicate_of_id IS NULL THEN '{}'::text[] ELSE '{near_duplicate}'::text[] END,
                entry.near_duplicate_of_id, billing_likeness(billing_hour(entry.occurred_at), kind), decode(item.facts_digest, 'hex'),
                item.actor, item.request_id)
            ON CONFLICT (tenant_id, reference_id, type) DO NOTHING
            RETURNING * INTO entry;
        END IF;
    END IF;
    IF entry.id IS NULL THEN
        RETURN QUERY SELECT * FROM billing_post_many(postings);
        RETURN;
    END IF;

    UPDATE billing_wallet SET balance = entry.balance_after, last_entry_number = entry.entry_number, last_entry_at = entry.created_at
    WHERE tenant_id = wallet.tenant_id AND id = wallet.id;
    INSERT INTO billing_dailytotal AS total (id, tenant_id, currency, type, day, entries, credits, debits)
    VALUES (
        gen_random_uuid(), entry.tenant_id, entry.currency, entry.type, (entry.occurred_at AT TIME ZONE 'UTC')::date, 1,
        greatest(entry.effect, 0), greatest(-entry.effect, 0))
    ON CONFLICT (tenant_id, currency, day, type) DO UPDATE
    SET entries = total.entries + excluded.entries, credits = total.credits + excluded.credits, debits = total.debits + excluded.debits;
    RETURN QUERY
    SELECT 'posted', entry.id, entry.tenant_id, entry.wallet_id, entry.currency::text, entry.entry_number, entry.type::text,
        entry.direction::text, entry.amount, entry.effect, entry.balance_after, entry.reference_id::text, entry.agent_id::text,
        entry.description, entry.metadata, entry.occurred_at, entry.created_at, entry.reverses_id, entry.reason_code::text,
        entry.reason::text, entry.reversed_amount, entry.reversed_by_id, entry.flags::text[], entry.near_duplicate_of_id,
        entry.actor::text, entry.facts_digest, entry.balance_after, wallet.floor, abs(entry.effect), NULL::numeric, NULL::uuid;
END;
$$;
