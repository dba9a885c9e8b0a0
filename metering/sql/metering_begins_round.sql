-- Whether a move begins a further round of authorization: an authorized transaction asks again, and is denied or must wait.
-- (Where it is authorized again at once, its status doesn't change.)
-- Takes: two statuses. Returns: true or false. Locks: nothing.
CREATE OR REPLACE FUNCTION metering_begins_round(from_status text, to_status text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT from_status = 'authorized' AND to_status IN ('preparing', 'denied')
$$;
