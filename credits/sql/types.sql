CREATE TYPE credits_posting AS (
    tenant_id uuid, id uuid, grant_id uuid, kind text, type text, amount numeric, reason text, invoice_id text, billing_run_id text,
    now timestamptz, occurred_at timestamptz, idempotency_key text, facts_digest bytea, reverses_id uuid, consumption_id uuid,
    hold_id uuid, chosen_by jsonb, actor text, request_id text
);

CREATE TYPE credits_outcome AS (
    outcome text, id uuid, grant_id uuid, customer_id text, type text, kind text, amount numeric, reason text, invoice_id text,
    billing_run_id text, occurred_at timestamptz, created_at timestamptz, entry_number bigint, balance_after numeric,
    cost_basis numeric, reverses_id uuid, consumption_id uuid, hold_id uuid, chosen_by jsonb, actor text, request_id text,
    first_digest bytea, balance numeric, held numeric, status text, effective_date date, expiry_date date, taken numeric,
    reversed_by uuid
);

CREATE TYPE credits_opening AS (
    tenant_id uuid, id uuid, entry_id uuid, customer_id text, name text, unit_type text, currency text, metric_id text, category text,
    priority integer, amount numeric, cost_of_credit numeric, effective_date date, expiry_date date, schedule_id uuid, period integer,
    reason text, now timestamptz, idempotency_key text, facts_digest bytea, actor text, request_id text
);

CREATE TYPE credits_draw AS (
    tenant_id uuid, id uuid, customer_id text, currency text, metric_id text, amount numeric, partial boolean, expires_at timestamptz,
    reason text, invoice_id text, billing_run_id text, now timestamptz, idempotency_key text, facts_digest bytea, actor text,
    request_id text
);

CREATE TYPE credits_settlement AS (
    tenant_id uuid, customer_id text, hold_id uuid, kind text, amount numeric, reason text, invoice_id text, billing_run_id text,
    now timestamptz, facts_digest bytea, actor text, request_id text
);
