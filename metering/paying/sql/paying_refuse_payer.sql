-- Why a tenant's settings refuse a payment of a challenge.
--
-- Takes: the tenant, the payer, the network, whom it pays, the amount and its currency.
-- Returns: the end of a sentence that begins with the option, or null where it may be paid.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION paying_refuse_payer(
    tenant uuid, payer text, network text, pay_to text, amount numeric, currency text
)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    setting paying_payersetting;
    -- Addresses of these networks are the same in capital letters.
    is_address CONSTANT boolean := network LIKE 'eip155:%' OR payer <> 'ledger';
BEGIN
    SELECT * INTO setting FROM paying_payersetting stored WHERE stored.tenant_id = tenant AND stored.payer = paying_refuse_payer.payer;
    RETURN CASE
        WHEN setting.id IS NULL AND payer = 'ledger' THEN NULL
        WHEN setting.is_enabled IS NOT TRUE THEN format('needs the payer %s, which is not enabled', payer)
        WHEN setting.networks <> '{}' AND network <> ALL (setting.networks) THEN
            format('is on the network %s, which is not among those of the payer %s', network, payer)
        WHEN setting.pay_to <> '{}' AND NOT EXISTS (
            SELECT FROM unnest(setting.pay_to) AS allowed WHERE CASE WHEN is_address THEN lower(allowed) = lower(paying_refuse_payer.pay_to)
                ELSE allowed = paying_refuse_payer.pay_to END
        ) THEN format('pays to %s, which is not among those that the payer %s pays to', pay_to, payer)
        WHEN setting.max_amount IS NOT NULL AND currency <> setting.max_currency THEN
            format('is in %s, and the most for one payment of the payer %s is in %s', currency, payer, setting.max_currency)
        WHEN amount > setting.max_amount THEN
            format('asks for more than %s %s, the most for one payment of the payer %s',
                trim_scale(setting.max_amount), setting.max_currency, payer)
    END;
END
$$;
