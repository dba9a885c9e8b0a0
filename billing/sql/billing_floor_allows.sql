-- Decides whether a wallet may have this balance: what holds reserve is taken off, and the rest may not be below the wallet's floor.
--
-- Takes: a balance, what holds reserve of it, and the wallet's floor, or NULL for none.
-- Returns: true where the balance less what is held is at or above the floor, or there is none; never NULL for a balance.
-- Locks: nothing. Never: reads a table.
--
-- It knows no type: for a floor that depends on the type of an entry, hand the type to billing_posting_refusal and to this function, and
-- give the CHECK constraint the lowest of the floors, for it can't know the type. billing_posting_refusal compares the balance that a
-- credit leaves too.
--
-- Every decision about a floor calls this function: billing_posting_refusal (all postings, and billing_capture_or_end_hold for
-- captures), billing_place_hold, paying_debit_wallet, paying_new_wallet_refuses, set_floor and set_policy (billing/services/settings.py),
-- the blockers of an undo (LOWEST_BALANCE_AFTER_UNDO in billing/imports/lookups.py), and the integrity check billing_wallet_floor
-- (billing/integrity/checks.py). billing_spendable says how much is left. Copies that can't call it, and that tests/billing/test_floor.py
-- holds equal to it: the CHECK constraints billing_wallet_floor_check and billing_policy_default_floor_check, and
-- billing.selectors.floors.plan_floor_allows, for the plan of a backfill.
-- To change it: CONTRIBUTING.md, "To change the floor rule of wallets".
--
-- A rule that looks at more than the balance less what is held may refuse the capture of a hold that it allowed:
-- billing_capture_or_end_hold answers `insufficient`, and the hold stays.
CREATE OR REPLACE FUNCTION billing_floor_allows(balance numeric, held numeric, floor numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT floor IS NULL OR balance - held >= floor
$$;
