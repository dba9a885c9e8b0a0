-- Decides each posting of an array, in memory, one after the other. Second step of billing_post_array.
-- Why an entry is refused, billing_posting_refusal says; billing_post asks it directly for a single posting.
--
-- Takes: the tenant; its postings; for each the currency of its wallet; those wallets, which the caller has locked, without their overdue
-- holds; and the time, read after that.
-- Returns: a decision for each posting, in order. A posting sees the balances, keys and reversals of those before it, but can't reverse one
-- of the same array.
-- Locks: nothing: the wallets' locks cover balances, numbers and reversed amounts. Keys and types are not covered: the unique index and the
-- foreign key of the type refuse what another call wrote meanwhile, and the caller makes the whole call again.
-- Never: writes.
CREATE OR REPLACE FUNCTION billing_decide(
    tenant uuid, items billing_posting[], currencies text[], wallets billing_wallet[], now timestamp with time zone
) RETURNS billing_decision[]
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    decisions billing_decision[] := '{}';
    decision billing_decision;
    is_strict boolean;
    item record;
    wallet billing_wallet;
    wallet_index integer := 0;
    is_reversal boolean;
    reversal_amount numeric;
    -- What this call has posted so far. By the index of the first posting that names the key: the entry that has the key. By the index of
    -- the first posting that names the original: how much of it is reversed, and the reversal that completed that.
    entry_ids_by_key uuid[] := '{}';
    reversed_amounts numeric[] := '{}';
    full_reversals uuid[] := '{}';
BEGIN
    SELECT coalesce(bool_or(policy.strict_types), false) INTO is_strict FROM billing_policy policy WHERE policy.tenant_id = tenant;
    FOR item IN SELECT * FROM billing_read_postings(tenant, items, currencies) LOOP
        IF wallet_index = 0 OR wallet.currency <> item.wallet_currency THEN
            -- Put the wallet of the posting before back with its new balance, and take this one's.
            IF wallet_index > 0 THEN
                wallets[wallet_index] := wallet;
            END IF;
            SELECT locked.ordinality INTO wallet_index FROM unnest(wallets) WITH ORDINALITY AS locked
            WHERE locked.currency = item.wallet_currency;
            wallet := wallets[wallet_index];
        END IF;
        is_reversal := item.reverses IS NOT NULL;
        decision := NULL;
        decision.wallet_id := wallet.id;
        decision.wallet_currency := item.wallet_currency;
        decision.wallet_floor := wallet.floor;
        decision.wallet_held := wallet.held;
        decision.entry_type := item.entry_type;
        decision.entry_direction := item.direction;
        decision.entry_agent_id := item.entry_agent_id;
        decision.entry_amount := item.amount;
        decision.is_new_type := item.is_new_type;
        decision.balance := wallet.balance;

        IF item.existing_id IS NOT NULL OR entry_ids_by_key[item.key_index] IS NOT NULL THEN
            decision.outcome := 'exists';
            decision.entry_id := coalesce(item.existing_id, entry_ids_by_key[item.key_index]);
        ELSIF is_reversal THEN
            decision.remaining := abs(item.original_effect)
                - coalesce(reversed_amounts[item.original_index], item.original_reversed_amount);
            decision.blocking_id := coalesce(full_reversals[item.original_index], item.original_reversed_by_id);
            reversal_amount := coalesce(item.amount, decision.remaining);
            decision.requested := reversal_amount;
            decision.entry_amount := CASE WHEN item.original_amount < 0 THEN -reversal_amount ELSE reversal_amount END;
            decision.outcome := CASE
                WHEN item.original_id IS NULL THEN 'not_found'
                WHEN item.original_reverses_id IS NOT NULL THEN 'not_reversible'
                WHEN decision.blocking_id IS NOT NULL THEN 'already_reversed'
                WHEN reversal_amount > decision.remaining THEN 'exceeds_original'
            END;
        END IF;
        IF decision.outcome IS NULL THEN
            decision.entry_effect := billing_effect(item.direction, decision.entry_amount, is_reversal);
            decision.requested := abs(decision.entry_effect);
            decision.outcome := billing_posting_refusal(
                is_strict => is_strict AND NOT is_reversal, is_catalogued => item.is_catalogued, direction => item.direction,
                amount => decision.entry_amount, effect => decision.entry_effect, balance => wallet.balance, held => wallet.held,
                floor => wallet.floor
            );
        END IF;

        IF decision.outcome IS NULL THEN
            wallet.balance := wallet.balance + decision.entry_effect;
            wallet.last_entry_number := wallet.last_entry_number + 1;
            wallet.last_entry_at := greatest(now, wallet.last_entry_at);
            entry_ids_by_key[item.key_index] := item.id;
            IF is_reversal THEN
                reversed_amounts[item.original_index] := abs(item.original_effect) - decision.remaining + reversal_amount;
                full_reversals[item.original_index] := CASE WHEN reversal_amount = decision.remaining THEN item.id END;
            END IF;
            decision.outcome := 'posted';
            decision.entry_id := item.id;
            decision.entry_number := wallet.last_entry_number;
            decision.entry_time := wallet.last_entry_at;
            decision.entry_occurred_at := coalesce(item.occurred_at, wallet.last_entry_at);
            decision.balance := wallet.balance;
        END IF;
        decisions := array_append(decisions, decision);
    END LOOP;
    RETURN decisions;
END;
$$;
