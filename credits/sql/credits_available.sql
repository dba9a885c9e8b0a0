-- Computes how much a debit may take: the balance of a grant, or of several, less what holds reserve.
-- Takes: a balance, and what holds reserve of it, without the overdue ones. Returns: units. Locks: nothing. Never: reads a table.
--
-- Everything that decides by what is available calls this function: credits_posting_refusal (all debits), credits_closing_refusal and
-- credits_post_single (what a closing takes), credits_follow_up, credits_lock_customer_grants and credits_split_draw (draws and holds), and
-- the blockers of an undo (credits/imports/lookups.py). So does the event of an alert. Two copies can't call it:
-- credits.selectors.balances.available, for what people read, which tests/credits/test_available.py holds equal; and the plan of an import,
-- grant_refusal and apply in credits/imports/transactions.py, which tests/backfills/test_credits.py compares with what is posted.
-- To change it: CONTRIBUTING.md, "To change what is available of credits".
CREATE OR REPLACE FUNCTION credits_available(balance numeric, held numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT balance - held
$$;
