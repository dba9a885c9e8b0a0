-- Computes how much a debit may take of a grant: its balance less what holds reserve.
-- Takes: a grant from which overdue holds were already released. Returns: units. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_available(account credits_grant) RETURNS numeric LANGUAGE sql IMMUTABLE
AS $$
    SELECT account.balance - account.held
$$;
