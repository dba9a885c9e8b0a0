-- Types that the billing functions pass to each other. Rows of them are built by attribute name; only
-- billing_make_outcome builds one by position, from parameters in the order of its attributes.

-- What a service posts. `amount` and the texts are as the caller gave them; `facts_digest` is hexadecimal. `now` is the moment that a
-- calling function took under the wallet's lock, by which holds are overdue (null: billing_post takes it).
CREATE TYPE billing_posting AS (
    id uuid, currency text, type text, shipped_label text, shipped_direction text, amount numeric, reference_id text,
    agent_id text, description text, metadata text, occurred_at timestamptz, reverses uuid, reason_code text, reason text,
    facts_digest text, now timestamptz, actor text, request_id text
);

-- What was decided about a posting (billing_decide). `entry_id` is the entry it became, or the one that has its key already.
CREATE TYPE billing_decision AS (
    outcome text, entry_id uuid, wallet_id uuid, wallet_currency text, wallet_floor numeric, entry_number bigint, entry_time timestamptz,
    entry_occurred_at timestamptz,
    entry_type text, entry_direction text, entry_amount numeric, entry_effect numeric, entry_agent_id text, balance numeric,
    wallet_held numeric, requested numeric, remaining numeric, blocking_id uuid, is_new_type boolean
);

-- What a service reads. The wallet is the one that the posting goes to; `balance` is the one after it, or the one that refused it; `held`
-- is what holds reserve of it. `requested` and `remaining` are magnitudes.
CREATE TYPE billing_outcome AS (
    outcome text, id uuid, tenant_id uuid, wallet_id uuid, currency text, entry_number bigint, type text, direction text,
    amount numeric, effect numeric, balance_after numeric, reference_id text, agent_id text, description text, metadata text,
    occurred_at timestamptz, created_at timestamptz, reverses_id uuid, reason_code text, reason text,
    reversed_amount numeric, reversed_by_id uuid, flags text[], near_duplicate_of_id uuid, actor text, first_digest bytea,
    wallet_currency text, balance numeric, held numeric, floor numeric, requested numeric, remaining numeric, blocking_id uuid
);

-- A hold to be placed. `facts_digest` is hexadecimal, here and below.
CREATE TYPE billing_hold_start AS (
    id uuid, currency text, amount numeric, expires_at timestamptz, reference_id text, reason text, allow_overdraft boolean,
    facts_digest text, actor text, request_id text
);

-- A capture, release or expiry of a hold: `kind` is captured, released or expired. `id` and `debit_digest` are those of the debit of a
-- capture; `reference_id` is the key of the capture, and of its debit.
CREATE TYPE billing_hold_end AS (
    hold_id uuid, kind text, id uuid, final boolean, amount numeric, reference_id text, agent_id text, description text, metadata text,
    reason text, facts_digest text, debit_digest text, actor text, request_id text
);

-- A later end for a hold; `reference_id` is the key of this call.
CREATE TYPE billing_hold_extension AS (
    hold_id uuid, expires_at timestamptz, reference_id text, facts_digest text, actor text, request_id text
);

-- One change of a hold, for billing_write_hold_entry.
CREATE TYPE billing_hold_step AS (
    kind text, amount numeric, held_after numeric, reason text, reference_id text, transaction_id uuid, is_final boolean, facts_digest text,
    happened timestamptz, booked timestamptz, actor text, request_id text
);
