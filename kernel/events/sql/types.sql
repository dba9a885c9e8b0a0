-- An event to be written: what happened to which account, with the number that orders the account's events, and the object as it is then.
CREATE TYPE events_item AS (
    type text, account text, sequence bigint, happened timestamptz, object_id text, snapshot json
);
-- What came of a leased delivery: see events_record_attempts.
CREATE TYPE events_result AS (
    ordinal integer, tenant_id uuid, delivery_id uuid, endpoint_id uuid, number integer, is_test boolean, outcome text,
    delay double precision,
    attempt_id uuid, duration_ms integer, status_code integer, error text, request_headers jsonb, response_head text, ip text,
    pause double precision
);
