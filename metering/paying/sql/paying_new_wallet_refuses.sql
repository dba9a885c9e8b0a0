-- Whether a part of a payment is refused without a look at the wallet: the tenant has none, and the floor of a new one doesn't allow the
-- part. So a tenant that pays by credits alone opens no wallet for a call that it can't pay, and such calls don't wait for each other.
--
-- Takes: the tenant, the currency, how much, and whether a wallet without a floor may be overdrawn.
-- Returns: true where it is refused; false also where there is a wallet: who locks it decides.
-- Locks: nothing. Never: allows a part; who opens the wallet decides again, by the floor that it got.
CREATE OR REPLACE FUNCTION paying_new_wallet_refuses(tenant uuid, wallet_currency text, part numeric, overdraft boolean)
RETURNS boolean
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN NOT EXISTS (
        SELECT FROM billing_wallet wallet WHERE wallet.tenant_id = tenant AND wallet.currency = wallet_currency
    ) AND NOT billing_floor_allows(balance => 0, held => part, floor => billing_floor_or_zero(
        (SELECT policy.default_floor FROM billing_policy policy WHERE policy.tenant_id = tenant), overdraft
    ));
END
$$;
