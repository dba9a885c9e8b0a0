-- An event to be written: what happened to which account, with the number that orders the account's events, and the object as it is then.
CREATE TYPE events_item AS (
    type text, account text, sequence bigint, happened timestamptz, object_id text, snapshot json
);
