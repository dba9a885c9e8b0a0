-- Reads what the ledger knows about each posting of an array: its key, its type, and the original of a reversal. Part of billing_decide.
--
-- Takes: the tenant, its postings, and for each the currency of its wallet.
-- Returns: a row for each posting, in order. `key_index` and `original_index` are the first ordinals in the array that name the same key or
-- the same original.
-- Locks: nothing; the wallets are locked by the caller, so originals can't change. Never: writes.
--
-- Look-ups by a text compare it from both sides and order by it: that leaves the planner only the index that begins with it. A plain
-- equality would let it take any index that begins with the tenant, as long as the table was empty when it planned.
CREATE OR REPLACE FUNCTION billing_read_postings(tenant uuid, items billing_posting[], currencies text[])
RETURNS TABLE (
    ordinal integer, id uuid, amount numeric, reverses uuid, occurred_at timestamp with time zone, wallet_currency text, entry_type text,
    entry_agent_id text, key_index integer, original_index integer, existing_id uuid, is_new_type boolean, direction text,
    is_catalogued boolean, original_id uuid, original_reverses_id uuid, original_amount numeric, original_effect numeric,
    original_reversed_amount numeric, original_reversed_by_id uuid
)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT posting.ordinality::integer AS ordinal, posting.id AS id, posting.amount AS amount, posting.reverses AS reverses,
        posting.occurred_at AS occurred_at, posting.wallet_currency AS wallet_currency, posting.entry_type::text AS entry_type,
        posting.entry_agent_id::text AS entry_agent_id,
        min(posting.ordinality) OVER (PARTITION BY posting.reference_id COLLATE "C", posting.entry_type COLLATE "C")::integer AS key_index,
        min(posting.ordinality) OVER (PARTITION BY posting.reverses)::integer AS original_index,
        existing.id AS existing_id, kind.code IS NULL AS is_new_type,
        coalesce(kind.direction, posting.shipped_direction, 'signed')::text AS direction,
        coalesce(kind.is_catalogued, posting.shipped_direction IS NOT NULL) AS is_catalogued,
        posting.original_id AS original_id, posting.original_reverses_id AS original_reverses_id,
        posting.original_amount AS original_amount, posting.original_effect AS original_effect,
        posting.original_reversed_amount AS original_reversed_amount, posting.original_reversed_by_id AS original_reversed_by_id
    FROM (
        SELECT item.*, coalesce(original.type, item.type)::text AS entry_type,
            CASE WHEN item.reverses IS NULL THEN item.agent_id ELSE original.agent_id END AS entry_agent_id,
            original.id AS original_id, original.reverses_id AS original_reverses_id, original.amount AS original_amount,
            original.effect AS original_effect, original.reversed_amount AS original_reversed_amount,
            original.reversed_by_id AS original_reversed_by_id
        FROM ROWS FROM (unnest(currencies), unnest(items)) WITH ORDINALITY AS item(wallet_currency)
        LEFT JOIN billing_transaction original ON original.id = item.reverses AND original.tenant_id = tenant
    ) AS posting
    LEFT JOIN LATERAL (
        SELECT entry.id FROM billing_transaction entry
        WHERE entry.tenant_id = tenant AND entry.reference_id >= posting.reference_id AND entry.reference_id <= posting.reference_id
            AND entry.type = posting.entry_type
        ORDER BY entry.reference_id
        LIMIT 1
    ) AS existing ON true
    LEFT JOIN LATERAL (
        SELECT stored.code, stored.direction, stored.is_catalogued FROM billing_transactiontype stored
        WHERE stored.tenant_id = tenant AND stored.code >= posting.entry_type AND stored.code <= posting.entry_type
        ORDER BY stored.code
        LIMIT 1
    ) AS kind ON true
    ORDER BY posting.ordinality;
END;
$$;
