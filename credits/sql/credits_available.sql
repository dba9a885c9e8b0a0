-- Computes how much a debit may take: the balance of a grant, or of several, less what holds reserve.
-- Takes: a balance, and what holds reserve of it, without the overdue ones. Returns: units. Locks: nothing. Never: reads a table.
--
-- Everything that decides by what is available calls this function: credits_refusal (all debits), credits_closing_refusal and
-- credits_post_single (what a closing takes), credits_follow_up, credits_lock_customer_grants and credits_split_draw (draws and holds), and
-- the blockers of an undo (credits/imports/lookups.py). So does the event of an alert. One copy can't call it, which
-- tests/credits/test_available.py holds equal: credits.selectors.balances.available, for what people read.
CREATE OR REPLACE FUNCTION credits_available(balance numeric, held numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT balance - held
$$;
