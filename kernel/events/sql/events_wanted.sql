-- Decides whether one of the patterns names a type of events: `*`, the type itself, or its first one or two parts with `.*`.
-- Takes: patterns, a type such as credits.grant.created. Returns: true or false, null without patterns. Locks: nothing. Never: reads a
-- table. `matches_any_pattern` in kernel/events/registry.py decides the same in Python; tests/kernel/events/test_registry.py holds the two
-- equal.
CREATE OR REPLACE FUNCTION events_wanted(patterns text[], type text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT patterns && ARRAY[
        '*', type, split_part(type, '.', 1) || '.*', split_part(type, '.', 1) || '.' || split_part(type, '.', 2) || '.*'
    ]
$$;
