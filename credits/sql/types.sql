-- Composite types that the functions pass to each other. No column of a table has one of them.

-- One posting. `now` is the moment that a calling function took under its locks (null: credits_post takes it). `as_of` is set by imports
-- alone: the moment at which the grant's dates are compared, instead of now.
CREATE TYPE credits_posting AS (
    id uuid, grant_id uuid, kind text, type text, amount numeric, reason text, invoice_id text, billing_run_id text, now timestamptz,
    as_of timestamptz, occurred_at timestamptz, idempotency_key text, facts_digest bytea, reverses_id uuid, consumption_id uuid,
    hold_id uuid, chosen_by jsonb, actor text, request_id text
);

-- The outcome of one posting: its transaction, and the grant after it.
CREATE TYPE credits_outcome AS (
    outcome text, id uuid, grant_id uuid, customer_id text, type text, kind text, amount numeric, reason text, invoice_id text,
    billing_run_id text, occurred_at timestamptz, created_at timestamptz, entry_number bigint, balance_after numeric,
    cost_basis numeric, reverses_id uuid, consumption_id uuid, hold_id uuid, chosen_by jsonb, actor text, request_id text,
    first_digest bytea, balance numeric, held numeric, status text, effective_date date, expiry_date date, taken numeric,
    left_to_reverse numeric, reversed_by uuid
);

-- One grant to be created. `effective_date` null: the day on which it is created.
CREATE TYPE credits_opening AS (
    id uuid, entry_id uuid, customer_id text, name text, unit_type text, currency text, metric_id text, category text, priority integer,
    amount numeric, cost_of_credit numeric, effective_date date, expiry_date date, recurring_grant_id uuid, period integer, reason text,
    as_of timestamptz, idempotency_key text, facts_digest bytea, actor text, request_id text
);

-- An amount to be drawn, held, or given back across a customer's grants.
CREATE TYPE credits_draw AS (
    id uuid, customer_id text, currency text, metric_id text, amount numeric, partial boolean, expires_at timestamptz, reason text,
    invoice_id text, billing_run_id text, idempotency_key text, facts_digest bytea, actor text, request_id text
);

-- A capture, release or expiry of a hold: `kind` is captured, released or expired. A capture that isn't `final` keeps the rest reserved.
CREATE TYPE credits_hold_end AS (
    customer_id text, hold_id uuid, kind text, amount numeric, final boolean, reason text, invoice_id text, billing_run_id text,
    idempotency_key text, facts_digest bytea, actor text, request_id text
);

-- A later end for a hold.
CREATE TYPE credits_hold_extension AS (
    customer_id text, hold_id uuid, expires_at timestamptz, idempotency_key text, facts_digest bytea, actor text, request_id text
);

-- The values by which a burn-down orders grants, in the order in which they decide.
CREATE TYPE credits_burn_down_key AS (
    priority integer, is_currency boolean, expiry_date date, is_paid boolean, effective_date date, created_at timestamptz, id uuid
);
