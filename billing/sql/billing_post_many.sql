CREATE OR REPLACE FUNCTION billing_post_many(postings jsonb)
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
    items billing_posting[];
    currencies text[];
    opened integer;
    -- One for each wallet, in the order of (tenant, currency).
    wallet_tenants uuid[];
    wallet_ids uuid[];
    wallet_balances numeric[];
    wallet_numbers bigint[];
    wallet_floors numeric[];
    wallet_times timestamptz[];
    -- One for each posting. `entry_ids` names the posted entry or the first one under its key.
    outcomes text[] := '{}';
    entry_ids uuid[] := '{}';
    entry_wallets uuid[] := '{}';
    entry_numbers bigint[] := '{}';
    entry_times timestamptz[] := '{}';
    entry_types text[] := '{}';
    entry_directions text[] := '{}';
    entry_amounts numeric[] := '{}';
    entry_effects numeric[] := '{}';
    wallet_slots integer[] := '{}';
    balances numeric[] := '{}';
    requests numeric[] := '{}';
    remainders numeric[] := '{}';
    blockers uuid[] := '{}';
    -- At the first place that names it: for a key, the place that took it in this call; for an original, what stands after its reversals.
    takers integer[] := '{}';
    reversed_amounts numeric[] := '{}';
    reversed_bys uuid[] := '{}';
    item record;
    verdict text;
    entry uuid;
    size numeric;
    change numeric;
    room numeric;
    blocker uuid;
    balance_now numeric;
    has_posted boolean := false;
    has_reversals boolean := false;
    has_new_types boolean := false;
BEGIN
    SELECT array_agg(posting) INTO items FROM jsonb_populate_recordset(NULL::billing_posting, postings) AS posting;

    -- A reversal stands in the wallet of its original.
    SELECT array_agg(coalesce(original.currency, posting.currency, tenant.currency) ORDER BY posting.ordinality) INTO currencies
    FROM unnest(items) WITH ORDINALITY AS posting
    LEFT JOIN billing_transaction original ON original.tenant_id = posting.tenant_id AND original.id = posting.reverses
    LEFT JOIN tenants_tenant tenant ON tenant.id = posting.tenant_id;

    INSERT INTO billing_wallet (id, tenant_id, currency, balance, last_entry_number, floor)
    SELECT DISTINCT ON (posting.tenant_id, posting.wallet_currency)
        posting.id, posting.tenant_id, posting.wallet_currency, 0, 0,
        (SELECT policy.default_floor FROM billing_policy policy WHERE policy.tenant_id = posting.tenant_id)
    FROM ROWS FROM (unnest(currencies), unnest(items)) WITH ORDINALITY AS posting(wallet_currency)
    WHERE NOT EXISTS (
        SELECT FROM billing_wallet wallet WHERE wallet.tenant_id = posting.tenant_id AND wallet.currency = posting.wallet_currency)
    ORDER BY posting.tenant_id, posting.wallet_currency, posting.ordinality
    ON CONFLICT (tenant_id, currency) DO NOTHING;
    GET DIAGNOSTICS opened = ROW_COUNT;
    -- Whoever must know what is being posted to a wallet that isn't there yet asks for this lock (billing/statements.py).
    IF opened > 0 THEN
        PERFORM FROM tenants_tenant tenant
        WHERE tenant.id IN (SELECT posting.tenant_id FROM unnest(items) AS posting) ORDER BY tenant.id FOR KEY SHARE;
    END IF;

    SELECT array_agg(locked.tenant_id), array_agg(locked.id), array_agg(locked.balance), array_agg(locked.last_entry_number), array_agg(locked.floor),
        array_agg(greatest(clock_timestamp(), locked.last_entry_at))
    INTO wallet_tenants, wallet_ids, wallet_balances, wallet_numbers, wallet_floors, wallet_times
    FROM (
        SELECT wallet.tenant_id, wallet.id, wallet.balance, wallet.last_entry_number, wallet.floor, wallet.last_entry_at
        FROM (
            SELECT DISTINCT posting.tenant_id, posting.wallet_currency
            FROM ROWS FROM (unnest(currencies), unnest(items)) AS posting(wallet_currency)
        ) AS wanted
        JOIN billing_wallet wallet ON wallet.tenant_id = wanted.tenant_id AND wallet.currency = wanted.wallet_currency
        ORDER BY wallet.tenant_id, wallet.currency
        FOR NO KEY UPDATE OF wallet
    ) AS locked;

    FOR item IN
        SELECT posting.ordinality::integer AS place, posting.id, posting.amount, posting.reverses, posting.facts_digest, posting.entry_type,
            dense_rank() OVER (ORDER BY posting.tenant_id, posting.wallet_currency)::integer AS slot,
            min(posting.ordinality) OVER (PARTITION BY posting.tenant_id, posting.reference_id COLLATE "C", posting.entry_type)::integer
                AS key_place,
            min(posting.ordinality) OVER (PARTITION BY posting.tenant_id, posting.reverses)::integer AS original_place,
            existing.id AS existing_id, existing.facts_digest AS existing_digest,
            kind.code IS NULL AS is_new_type,
            coalesce(kind.direction, posting.shipped_direction, 'signed') AS direction,
            coalesce(kind.is_catalogued, posting.shipped_direction IS NOT NULL) AS is_catalogued,
            coalesce(policy.strict_types, false) AS is_strict,
            posting.original_id, posting.original_reverses_id, posting.original_amount, posting.original_effect,
            posting.original_reversed_amount, posting.original_reversed_by_id
        FROM (
            SELECT given.*, coalesce(original.type, given.type) AS entry_type, original.id AS original_id,
                original.reverses_id AS original_reverses_id, original.amount AS original_amount, original.effect AS original_effect,
                original.reversed_amount AS original_reversed_amount, original.reversed_by_id AS original_reversed_by_id
            FROM ROWS FROM (unnest(currencies), unnest(items)) WITH ORDINALITY AS given(wallet_currency)
            LEFT JOIN billing_transaction original ON original.tenant_id = given.tenant_id AND original.id = given.reverses
        ) AS posting
        LEFT JOIN billing_transaction existing ON existing.tenant_id = posting.tenant_id
            AND existing.reference_id = posting.reference_id AND existing.type = posting.entry_type
        LEFT JOIN billing_transactiontype kind ON kind.tenant_id = posting.tenant_id AND kind.code = posting.entry_type
        LEFT JOIN billing_policy policy ON policy.tenant_id = posting.tenant_id
        ORDER BY posting.ordinality
    LOOP
        verdict := NULL;
        entry := NULL;
        change := NULL;
        room := NULL;
        blocker := NULL;
        size := item.amount;
        balance_now := wallet_balances[item.slot];

        IF item.existing_id IS NOT NULL THEN
            entry := item.existing_id;
            verdict := CASE WHEN item.existing_digest = decode(item.facts_digest, 'hex') THEN 'replayed' ELSE 'conflict' END;
        ELSIF takers[item.key_place] IS NOT NULL THEN
            entry := items[takers[item.key_place]].id;
            verdict := CASE WHEN items[takers[item.key_place]].facts_digest = item.facts_digest THEN 'replayed' ELSE 'conflict' END;
        ELSIF item.reverses IS NOT NULL THEN
            room := abs(item.original_effect) - coalesce(reversed_amounts[item.original_place], item.original_reversed_amount);
            blocker := coalesce(reversed_bys[item.original_place], item.original_reversed_by_id);
            size := coalesce(item.amount, room);
            change := -sign(item.original_effect) * size;
            IF item.original_id IS NULL THEN
                verdict := 'not_found';
            ELSIF item.original_reverses_id IS NOT NULL THEN
                verdict := 'not_reversible';
            ELSIF blocker IS NOT NULL THEN
                verdict := 'already_reversed';
            ELSIF size > room THEN
                verdict := 'exceeds_original';
            END IF;
        ELSE
            change := CASE WHEN item.direction = 'debit' THEN -size ELSE size END;
            IF item.is_strict AND NOT item.is_catalogued THEN
                verdict := 'unknown_type';
            ELSIF item.direction <> 'signed' AND size < 0 THEN
                verdict := 'negative_amount';
            END IF;
        END IF;

        IF verdict IS NULL AND change < 0 AND balance_now + change < wallet_floors[item.slot] THEN
            verdict := 'insufficient';
        ELSIF verdict IS NULL AND abs(balance_now + change) >= 1e20 THEN
            verdict := 'out_of_range';
        END IF;

        IF verdict IS NULL THEN
            verdict := 'posted';
            entry := item.id;
            balance_now := balance_now + change;
            wallet_balances[item.slot] := balance_now;
            wallet_numbers[item.slot] := wallet_numbers[item.slot] + 1;
            takers[item.key_place] := item.place;
            has_posted := true;
            has_new_types := has_new_types OR item.is_new_type;
            IF item.reverses IS NOT NULL THEN
                has_reversals := true;
                reversed_amounts[item.original_place] := abs(item.original_effect) - room + size;
                IF size = room THEN
                    reversed_bys[item.original_place] := item.id;
                END IF;
                size := CASE WHEN item.original_amount < 0 THEN -size ELSE size END;
            END IF;
        END IF;

        outcomes[item.place] := verdict;
        entry_ids[item.place] := entry;
        entry_wallets[item.place] := wallet_ids[item.slot];
        entry_numbers[item.place] := wallet_numbers[item.slot];
        entry_times[item.place] := wallet_times[item.slot];
        entry_types[item.place] := item.entry_type;
        entry_directions[item.place] := item.direction;
        entry_amounts[item.place] := size;
        entry_effects[item.place] := change;
        wallet_slots[item.place] := item.slot;
        balances[item.place] := balance_now;
        requests[item.place] := abs(change);
        remainders[item.place] := room;
        blockers[item.place] := blocker;
    END LOOP;

    IF has_new_types THEN
        INSERT INTO billing_transactiontype (id, tenant_id, code, label, direction, is_catalogued, created_by)
        SELECT DISTINCT ON (line.tenant_id, line.entry_type COLLATE "C")
            gen_random_uuid(), line.tenant_id, line.entry_type, coalesce(line.shipped_label, line.entry_type), line.entry_direction,
            line.shipped_label IS NOT NULL, line.actor
        FROM ROWS FROM (unnest(outcomes), unnest(entry_types), unnest(entry_directions), unnest(items)) WITH ORDINALITY
            AS line(outcome, entry_type, entry_direction)
        WHERE line.outcome = 'posted' AND NOT EXISTS (
            SELECT FROM billing_transactiontype kind WHERE kind.tenant_id = line.tenant_id AND kind.code = line.entry_type)
        ORDER BY line.tenant_id, line.entry_type COLLATE "C", line.ordinality
        ON CONFLICT (tenant_id, code) DO NOTHING;
    END IF;

    IF has_posted THEN
        WITH line AS (
            SELECT given.*, coalesce(given.occurred_at, given.entry_time) AS happened_at,
                hash_record_extended(ROW(given.entry_type, given.entry_amount, given.agent_id), 0) & 4294967295 AS kind,
                make_interval(secs => coalesce(policy.near_duplicate_seconds, 60)) AS reach
            FROM ROWS FROM (
                unnest(outcomes), unnest(entry_wallets), unnest(currencies), unnest(entry_numbers), unnest(entry_times), unnest(entry_types),
                unnest(entry_directions), unnest(entry_amounts), unnest(entry_effects), unnest(balances), unnest(items)
            ) WITH ORDINALITY AS given(
                outcome, wallet_id, wallet_currency, entry_number, entry_time, entry_type, entry_direction, entry_amount, entry_effect,
                entry_balance)
            LEFT JOIN billing_policy policy ON policy.tenant_id = given.tenant_id
            WHERE given.outcome = 'posted'
        ), neighboured AS (
            -- Within one call, of two like postings the later in the world is the doubtful one.
            SELECT line.*, lag(line.id) OVER alike AS neighbour_id, lag(line.happened_at) OVER alike AS neighbour_at
            FROM line
            WINDOW alike AS (PARTITION BY line.wallet_id, line.kind, line.reverses IS NULL ORDER BY line.happened_at, line.ordinality)
        ), judged AS (
            SELECT neighboured.*, coalesce(
                twin.id,
                CASE WHEN neighboured.reverses IS NULL AND neighboured.reach > interval '0'
                    AND neighboured.neighbour_at >= neighboured.happened_at - neighboured.reach THEN neighboured.neighbour_id END
            ) AS twin_id
            FROM neighboured
            -- The newest like entry of each hour in reach. The order leads to the index of likes; no condition may lead to one by tenant and
            -- time, which holds all that was booked in the time in question: hence IS NOT DISTINCT FROM, which no index serves.
            -- Two tenants may hold one wallet's id: a book that was taken along into another keeps its ids.
            LEFT JOIN LATERAL (
                SELECT newest.id
                FROM generate_series(
                    billing_hour(neighboured.happened_at - neighboured.reach), billing_hour(neighboured.happened_at + neighboured.reach)
                ) AS hours(hour)
                CROSS JOIN LATERAL (
                    SELECT booked.id, booked.occurred_at FROM billing_transaction booked
                    WHERE booked.wallet_id = neighboured.wallet_id AND booked.tenant_id IS NOT DISTINCT FROM neighboured.tenant_id
                        AND booked.likeness = billing_likeness(hours.hour, neighboured.kind)
                        AND booked.occurred_at <= neighboured.happened_at + neighboured.reach
                        AND booked.type = neighboured.entry_type AND booked.amount = neighboured.entry_amount
                        AND booked.agent_id IS NOT DISTINCT FROM neighboured.agent_id AND booked.reverses_id IS NULL
                    ORDER BY booked.occurred_at DESC
                    LIMIT 1
                ) AS newest
                WHERE neighboured.reverses IS NULL AND neighboured.reach > interval '0'
                    AND newest.occurred_at >= neighboured.happened_at - neighboured.reach
                ORDER BY newest.occurred_at DESC
                LIMIT 1
            ) AS twin ON true
        ), entered AS (
            INSERT INTO billing_transaction (
                id, tenant_id, wallet_id, currency, entry_number, type, direction, amount, effect, balance_after, reference_id, agent_id,
                description, metadata, occurred_at, created_at, reverses_id, reason_code, reason, reversed_amount, flags,
                near_duplicate_of_id, likeness, facts_digest, actor, request_id)
            SELECT id, tenant_id, wallet_id, wallet_currency, entry_number, entry_type, entry_direction, entry_amount, entry_effect,
                entry_balance, reference_id,
                CASE WHEN reverses IS NULL THEN agent_id ELSE (
                    SELECT original.agent_id FROM billing_transaction original
                    WHERE original.tenant_id = judged.tenant_id AND original.id = judged.reverses
                ) END,
                description, metadata, happened_at, entry_time, reverses, coalesce(reason_code, ''),
                coalesce(reason, ''), 0, CASE WHEN twin_id IS NULL THEN '{}'::text[] ELSE '{near_duplicate}'::text[] END,
                twin_id, billing_likeness(billing_hour(happened_at), kind), decode(facts_digest, 'hex'), actor, request_id
            FROM judged
            ORDER BY ordinality
            RETURNING tenant_id, currency, type, (occurred_at AT TIME ZONE 'UTC')::date AS day, effect
        ), carried AS (
            UPDATE billing_wallet wallet
            SET balance = standing.balance, last_entry_number = standing.number, last_entry_at = standing.stamp
            FROM ROWS FROM (
                unnest(wallet_tenants), unnest(wallet_ids), unnest(wallet_balances), unnest(wallet_numbers), unnest(wallet_times)
            ) AS standing(tenant_id, id, balance, number, stamp)
            -- By both: a book that was taken along into another keeps its ids.
            WHERE wallet.tenant_id = standing.tenant_id AND wallet.id = standing.id AND wallet.last_entry_number <> standing.number
        )
        INSERT INTO billing_dailytotal AS total (id, tenant_id, currency, type, day, entries, credits, debits)
        SELECT gen_random_uuid(), tenant_id, currency, type, day, count(*), sum(greatest(effect, 0)), sum(greatest(-effect, 0))
        FROM entered
        GROUP BY tenant_id, currency, type, day
        ORDER BY tenant_id, currency, day, type COLLATE "C"
        ON CONFLICT (tenant_id, currency, day, type) DO UPDATE
        SET entries = total.entries + excluded.entries, credits = total.credits + excluded.credits, debits = total.debits + excluded.debits;
    END IF;

    IF has_reversals THEN
        UPDATE billing_transaction original
        SET reversed_amount = original.reversed_amount + reversal.size,
            reversed_by_id = CASE WHEN original.reversed_amount + reversal.size = abs(original.effect) THEN reversal.last_id END
        FROM (
            SELECT line.tenant_id, line.reverses, sum(abs(line.entry_effect)) AS size,
                (array_agg(line.id ORDER BY line.ordinality DESC))[1] AS last_id
            FROM ROWS FROM (unnest(outcomes), unnest(entry_effects), unnest(items)) WITH ORDINALITY AS line(outcome, entry_effect)
            WHERE line.outcome = 'posted' AND line.reverses IS NOT NULL
            GROUP BY line.tenant_id, line.reverses
        ) AS reversal
        WHERE original.tenant_id = reversal.tenant_id AND original.id = reversal.reverses;
    END IF;

    -- A plan made while the table was empty takes every index for equally good, and then reads all of a tenant's entries for each key. It is
    -- made again once the table is analysed; autovacuum comes by only every minute, and a first import doesn't wait for it.
    IF has_posted AND EXISTS (
        SELECT FROM unnest(entry_numbers) AS number, unnest('{100, 5000}'::bigint[]) AS mark
        WHERE number = mark AND (SELECT reltuples FROM pg_class WHERE oid = 'billing_transaction'::regclass) < mark / 2
    ) THEN
        ANALYZE (SKIP_LOCKED) billing_transaction;
    END IF;

    -- A wallet takes the id of the posting that opened it; where that was refused and no other came, there is nothing to keep.
    IF opened > 0 THEN
        PERFORM billing_remove_unused_wallets(posting.tenant_id, array_agg(posting.id)) FROM unnest(items) AS posting GROUP BY posting.tenant_id;
    END IF;

    RETURN QUERY
    SELECT line.outcome, found.id, line.tenant_id, found.wallet_id, coalesce(found.currency, line.wallet_currency)::text,
        found.entry_number, found.type::text, found.direction::text, found.amount, found.effect, found.balance_after,
        found.reference_id::text, found.agent_id::text, found.description, found.metadata, found.occurred_at, found.created_at,
        found.reverses_id, found.reason_code::text, found.reason::text, found.reversed_amount, found.reversed_by_id, found.flags::text[],
        found.near_duplicate_of_id, found.actor::text, found.facts_digest, line.balance, wallet_floors[line.slot], line.requested,
        line.remaining, line.blocking_id
    FROM ROWS FROM (
        unnest(outcomes), unnest(entry_ids), unnest(currencies), unnest(wallet_slots), unnest(balances), unnest(requests),
        unnest(remainders), unnest(blockers), unnest(items)
    ) WITH ORDINALITY AS line(outcome, entry_id, wallet_currency, slot, balance, requested, remaining, blocking_id)
    LEFT JOIN billing_transaction found ON found.tenant_id = line.tenant_id AND found.id = line.entry_id
    ORDER BY line.ordinality;
END;
$$;
