-- Chooses deliveries of an ordered endpoint, account by account: of each account the earliest ones, to be sent one after another.
--
-- Takes: the endpoint, whose row the caller has locked; the moment; how many accounts and how many deliveries of each, at most; after which
-- account to begin (null: with the first); for how long an account waits for a delivery that fails.
-- Returns: the ids, in the order of accounts and in each in the order of sending; of how many accounts; the last account that was looked
-- at.
-- Locks: the deliveries, without waiting.
-- Never: chooses a delivery whose account has an earlier event that is open and not chosen before it, or that isn't fanned out yet. Marks
-- what an account has waited for too long (released_by_age); it is tried further, on its own. Goes from account to account through the
-- index of ordered deliveries, so its time doesn't depend on how many wait in each.
CREATE OR REPLACE FUNCTION events_choose_batches(
    target events_endpoint, moment timestamp with time zone, slots integer, length integer, after_account text, patience interval,
    OUT deliveries uuid[], OUT batches integer, OUT last_account text
) LANGUAGE plpgsql VOLATILE
SET enable_sort = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    -- Accounts at the end of a long queue of waiting ones have their turn in the next call, which begins behind these.
    looks constant integer := 500;
    first_account constant text := coalesce(after_account, '');
    has_turned boolean := false;
    head record;
    batch uuid[];
BEGIN
    deliveries := '{}';
    batches := 0;
    last_account := first_account;
    FOR look IN 1 .. looks LOOP
        EXIT WHEN batches >= slots;
        SELECT first.id, first.account, first.state, first.next_at, first.first_attempt_at INTO head FROM events_delivery first
        WHERE first.tenant_id IS NOT NULL AND first.endpoint_id = target.id AND first.account > last_account AND first.account <> ''
            AND NOT first.released_by_age AND first.state IN ('pending', 'leased', 'waiting')
        ORDER BY first.account, first.sequence, first.event_id, first.id LIMIT 1;
        IF has_turned AND (NOT FOUND OR head.account > first_account) THEN
            last_account := first_account;
            EXIT;
        ELSIF NOT FOUND THEN
            EXIT WHEN first_account = '';
            has_turned := true;
            last_account := '';
        ELSIF head.state = 'waiting' AND head.first_attempt_at < moment - patience THEN
            -- The next look finds the account's next delivery.
            UPDATE events_delivery late SET released_by_age = true WHERE late.tenant_id = target.tenant_id AND late.id = head.id;
        ELSE
            last_account := head.account;
            IF head.next_at <= moment THEN
                batch := events_choose_batch(target.tenant_id, target.id, head.account, moment, length);
                deliveries := deliveries || batch;
                batches := batches + least(1, cardinality(batch));
            END IF;
        END IF;
    END LOOP;
END
$$;
