-- Computes how much of a wallet holds reserve at an instant. A hold reserves nothing from its `expires_at` on, whether it is closed or not.
--
-- Takes: a wallet; `booked_by`, the book time up to which hold entries count ('infinity': all); `instant`, at which holds are overdue.
-- Returns: an amount. Locks: nothing. Never: writes.
--
-- Reads the newest hold entry up to `booked_by`: its `held_after` is what was reserved then. Who writes a hold entry ends the wallet's
-- overdue holds first, so `held_after` contains no hold that was overdue at that time. Subtracts the holds that became overdue after it.
-- A hold is only ever extended before it is overdue, so its present `expires_at` says of every past instant whether it was. The minute
-- allows for a clock that stepped back; holds of that minute that were ended already subtract nothing, because what a hold's entries
-- captured, released or expired is deducted from its amount.
CREATE OR REPLACE FUNCTION billing_held_at(wallet billing_wallet, booked_by timestamp with time zone, instant timestamp with time zone)
RETURNS numeric
LANGUAGE sql STABLE
AS $$
    SELECT coalesce((
        SELECT newest.held_after - coalesce((
            SELECT sum(hold.amount - coalesce(ended.amount, 0))
            FROM billing_wallethold hold
            CROSS JOIN LATERAL (
                SELECT sum(entry.amount) AS amount FROM billing_walletholdentry entry
                WHERE entry.tenant_id = wallet.tenant_id AND entry.hold_id = hold.id
                    AND entry.kind IN ('captured', 'released', 'expired') AND entry.created_at <= newest.created_at
            ) AS ended
            WHERE hold.tenant_id = wallet.tenant_id AND hold.wallet_id = wallet.id
                AND hold.expires_at > newest.created_at - interval '1 minute' AND hold.expires_at <= instant
                AND hold.created_at <= newest.created_at
        ), 0)
        FROM (
            SELECT entry.held_after, entry.created_at FROM billing_walletholdentry entry
            WHERE entry.tenant_id = wallet.tenant_id AND entry.wallet_id = wallet.id AND entry.created_at <= booked_by
            ORDER BY entry.created_at DESC, entry.id DESC
            LIMIT 1
        ) AS newest
    ), 0)
$$;
