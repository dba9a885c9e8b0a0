-- The composite types that the functions of spending rules take, return and pass to each other.

CREATE TYPE rules_amount AS (
    amount numeric, currency text, is_estimate boolean
);

-- A transaction as rules see it: what their conditions compare, what groups it, and its active costs. `status` is null while it is being
-- recorded. The payment is that of the round to decide, or what the newest payment of a 402 holds or took, which the costs leave out.
CREATE TYPE rules_subject AS (
    transaction_id uuid, round smallint, status text, service_name text, action_name text, resource_name text, agent_id uuid,
    agent_name text, trace_reference uuid, trace_external_id text, customer_id text, qualifiers json, metadata json,
    costs rules_amount[], payment json, payment_amount numeric, payment_currency text
);

-- A window at one moment: what is dated at or before `tail_at` is out. A calendar window ends at `ends_at`; a rolling one doesn't (null).
CREATE TYPE rules_span AS (
    tail_at timestamptz, ends_at timestamptz
);

-- What a transaction adds to one measure. `amount` is null where its cost isn't known. Without a counter its group is one too many.
-- `used`: what the window holds without this transaction; it and the span are known once the counter is locked (rules_read_counters).
CREATE TYPE rules_measured AS (
    measure_id uuid, group_key text, group_digest bytea, amount numeric, counter_id uuid, used numeric, tail_at timestamptz,
    ends_at timestamptz
);

-- `status`: authorized, denied, or preparing where a person has to decide. `executions`: one object for each rule that applied.
CREATE TYPE rules_decision AS (
    status text, reason text, decided_at timestamptz, passes_at timestamptz, executions jsonb, rule_ids uuid[], measured rules_measured[]
);
