-- Decides what a debit may take of a grant: what its entries add up to, less what holds reserve.
-- Takes: a grant, without what overdue holds seem to reserve. Returns: units. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_available(account credits_grant) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$
    SELECT account.balance - account.held
$$;
