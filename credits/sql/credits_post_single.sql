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
    grant_row credits_grant;
    entry credits_transaction;
    posting_outcome text;
    taken numeric;
    left_to_reverse numeric;
    reversed_by uuid;
    is_closing CONSTANT boolean := item.kind IN ('expiry', 'void', 'deletion');
    is_imported CONSTANT boolean := item.as_of IS NOT NULL;
BEGIN
    SELECT * INTO grant_row FROM credits_grant WHERE tenant_id = tenant AND id = item.grant_id FOR NO KEY UPDATE;
    item.now := coalesce(item.now, ledger_now());
    item.as_of := coalesce(item.as_of, item.now);
    IF grant_row.held > 0 THEN
        grant_row := credits_expire_overdue_lines(tenant, grant_row, item.now, item.actor, item.request_id);
    END IF;

    IF item.reverses_id IS NOT NULL THEN
        SELECT rest.amount, rest.reversed_by INTO left_to_reverse, reversed_by FROM credits_left_to_reverse(tenant, item.reverses_id) rest;
        item.amount := coalesce(item.amount, left_to_reverse);
    END IF;
    IF item.type = 'CREDIT' AND item.invoice_id <> '' THEN
        taken := credits_taken_by_invoice(tenant, item.grant_id, item.invoice_id);
    END IF;
    entry.created_at := greatest(item.now, grant_row.last_entry_at + interval '1 microsecond');
    entry.occurred_at := coalesce(item.occurred_at, entry.created_at);
    IF is_closing THEN
        posting_outcome := credits_closing_refusal(item.kind, grant_row, ledger_day(item.as_of));
        item.amount := credits_available(grant_row.balance, grant_row.held);
        IF item.kind = 'expiry' THEN
            -- An expiry counts from the day after the grant's last one, or from when the credit was given back, if that is later.
            entry.occurred_at := greatest(item.occurred_at, (grant_row.expiry_date + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    ELSE
        posting_outcome := credits_posting_refusal(
            item.kind, item.type, item.amount, item.invoice_id, grant_row, grant_row.balance, ledger_day(entry.occurred_at), taken,
            left_to_reverse
        );
    END IF;
    IF posting_outcome IS NULL AND item.amount <> 0 THEN
        entry := credits_write_entry(tenant, item, grant_row, entry.occurred_at, entry.created_at);
        posting_outcome := CASE WHEN entry.id IS NULL THEN 'exists' ELSE 'posted' END;
    END IF;
    posting_outcome := coalesce(posting_outcome, 'nothing_left');
    IF posting_outcome <> 'posted' THEN
        entry := NULL;
        IF item.idempotency_key IS NOT NULL THEN
            -- A used key is decided before any refusal: the transaction that it posted may be why the same call would be refused now.
            SELECT * INTO entry FROM credits_transaction WHERE tenant_id = tenant AND idempotency_key = item.idempotency_key;
            posting_outcome := CASE WHEN FOUND THEN 'exists' ELSE posting_outcome END;
        END IF;
    END IF;

    IF posting_outcome = 'posted' THEN
        grant_row.balance := entry.balance_after;
        grant_row.last_entry_number := entry.entry_number;
        grant_row.last_entry_at := entry.created_at;
    END IF;
    IF is_closing AND posting_outcome IN ('posted', 'nothing_left') THEN
        grant_row.status := CASE
            WHEN item.kind = 'void' THEN 'voided'
            WHEN item.kind = 'deletion' THEN 'deleted'
            -- A hold may be captured after the last day, so the grant stays open; it is expired again when the hold is released.
            WHEN grant_row.held > 0 THEN grant_row.status
            ELSE 'expired'
        END;
        grant_row.closed_at := CASE WHEN grant_row.status <> 'open' THEN coalesce(grant_row.closed_at, entry.created_at, item.now) END;
    END IF;
    IF posting_outcome IN ('posted', 'nothing_left') THEN
        -- The listener is looked up here because a statement of its own costs three times as much.
        UPDATE credits_grant
        SET balance = grant_row.balance, last_entry_number = grant_row.last_entry_number, last_entry_at = grant_row.last_entry_at,
            status = grant_row.status, closed_at = grant_row.closed_at
        WHERE tenant_id = tenant AND id = item.grant_id
        RETURNING EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) INTO has_listener;
    END IF;

    result := credits_make_outcome(posting_outcome, entry, item.grant_id, grant_row, taken, left_to_reverse, reversed_by);
    IF has_listener THEN
        PERFORM credits_write_events(
            tenant, item.request_id, ARRAY[entry.id],
            CASE WHEN item.kind = 'void' AND posting_outcome = 'nothing_left' THEN ARRAY[grant_row.id] END
        );
    END IF;
    -- Only a credit and an expiry have consequences: the debit that expires a grant may open its next period.
    IF posting_outcome = 'posted' AND (entry.type = 'CREDIT' OR entry.kind = 'expiry') THEN
        PERFORM credits_follow_up(tenant, item, grant_row, entry, is_imported);
    END IF;
END
$$;
