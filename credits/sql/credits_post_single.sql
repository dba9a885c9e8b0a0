-- Called by credits_post, credits_follow_up and credits_roll_over: posts one transaction on one grant, and what follows from it.
-- Takes: a tenant, a posting. A closing (expiry, void, deletion) debits all that is available, whatever amount it names; a reversal without
-- an amount reverses what is left of its original. Returns: its outcome; and whether the tenant has a listener, null where nothing was
-- posted.
-- Locks: the grant, then its overdue hold lines; the time is taken under the grant's lock. Where it may roll over, the caller has locked
-- the next period's grant. Never: decides by anything that was read before the lock.
CREATE OR REPLACE FUNCTION credits_post_single(
    tenant uuid, item credits_posting, OUT result credits_outcome, OUT has_listener boolean
)
LANGUAGE plpgsql
AS $$
DECLARE
    account credits_grant;
    entry credits_transaction;
    decided text;
    taken numeric;
    left_to_reverse numeric;
    reversed_by uuid;
    is_closing CONSTANT boolean := item.kind IN ('expiry', 'void', 'deletion');
    is_imported CONSTANT boolean := item.as_of IS NOT NULL;
BEGIN
    SELECT * INTO account FROM credits_grant WHERE tenant_id = tenant AND id = item.grant_id FOR NO KEY UPDATE;
    item.now := coalesce(item.now, ledger_now());
    item.as_of := coalesce(item.as_of, item.now);
    IF account.held > 0 THEN
        account := credits_release_overdue(tenant, account, item.now, item.actor, item.request_id);
    END IF;

    IF item.reverses_id IS NOT NULL THEN
        SELECT rest.amount, rest.reversed_by INTO left_to_reverse, reversed_by FROM credits_left_to_reverse(tenant, item.reverses_id) rest;
        item.amount := coalesce(item.amount, left_to_reverse);
    END IF;
    IF item.type = 'CREDIT' AND item.invoice_id <> '' THEN
        taken := credits_taken(tenant, item.grant_id, item.invoice_id);
    END IF;
    entry.created_at := greatest(item.now, account.last_entry_at + interval '1 microsecond');
    entry.occurred_at := coalesce(item.occurred_at, entry.created_at);
    IF is_closing THEN
        decided := credits_closing_refusal(item.kind, account, ledger_day(item.as_of));
        item.amount := credits_available(account.balance, account.held);
        IF item.kind = 'expiry' THEN
            -- An expiry counts from the day after the grant's last one, or from when the credit was given back, if that is later.
            entry.occurred_at := greatest(item.occurred_at, (account.expiry_date + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    ELSE
        decided := credits_posting_refusal(
            item.kind, item.type, item.amount, item.invoice_id, account, account.balance, ledger_day(entry.occurred_at), taken,
            left_to_reverse
        );
    END IF;
    IF decided IS NULL AND item.amount <> 0 THEN
        entry := credits_write_entry(tenant, item, account, entry.occurred_at, entry.created_at);
        decided := CASE WHEN entry.id IS NULL THEN 'exists' ELSE 'posted' END;
    END IF;
    decided := coalesce(decided, 'nothing_left');
    IF decided <> 'posted' THEN
        entry := NULL;
        IF item.idempotency_key IS NOT NULL THEN
            -- A used key is decided before any refusal: the transaction that it posted may be why the same call would be refused now.
            SELECT * INTO entry FROM credits_transaction WHERE tenant_id = tenant AND idempotency_key = item.idempotency_key;
            decided := CASE WHEN FOUND THEN 'exists' ELSE decided END;
        END IF;
    END IF;

    IF decided = 'posted' THEN
        account.balance := entry.balance_after;
        account.last_entry_number := entry.entry_number;
        account.last_entry_at := entry.created_at;
    END IF;
    IF is_closing AND decided IN ('posted', 'nothing_left') THEN
        account.status := CASE
            WHEN item.kind = 'void' THEN 'voided'
            WHEN item.kind = 'deletion' THEN 'deleted'
            -- A hold may be captured after the last day, so the grant stays open; it is expired again when the hold is released.
            WHEN account.held > 0 THEN account.status
            ELSE 'expired'
        END;
        account.closed_at := CASE WHEN account.status <> 'open' THEN coalesce(account.closed_at, entry.created_at, item.now) END;
    END IF;
    IF decided IN ('posted', 'nothing_left') THEN
        -- The listener is looked up here because a statement of its own costs three times as much.
        UPDATE credits_grant
        SET balance = account.balance, last_entry_number = account.last_entry_number, last_entry_at = account.last_entry_at,
            status = account.status, closed_at = account.closed_at
        WHERE tenant_id = tenant AND id = item.grant_id
        RETURNING EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) INTO has_listener;
    END IF;

    result := credits_make_outcome(decided, entry, item.grant_id, account, taken, left_to_reverse, reversed_by);
    IF has_listener THEN
        PERFORM credits_write_events(
            tenant, item.request_id, ARRAY[entry.id],
            CASE WHEN item.kind = 'void' AND decided = 'nothing_left' THEN ARRAY[account.id] END
        );
    END IF;
    -- Only a credit and an expiry have consequences: the debit that expires a grant may open its next period.
    IF decided = 'posted' AND (entry.type = 'CREDIT' OR entry.kind = 'expiry') THEN
        PERFORM credits_follow_up(tenant, item, account, entry, is_imported);
    END IF;
END
$$;
