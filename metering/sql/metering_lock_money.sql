-- Locks what the postings of an array may take, in one order: posted one after the other, two arrays could wait for each other.
-- Takes: the tenant, its postings and their resolutions. Returns: nothing. Locks: as paying_lock_money. Never: decides anything.
CREATE OR REPLACE FUNCTION metering_lock_money(tenant uuid, items metering_posting[], resolved metering_resolution[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    customers text[];
    currencies text[];
BEGIN
    SELECT array_agg(wanted.customer), array_agg(wanted.currency) INTO customers, currencies
    FROM (
        SELECT DISTINCT paying_find_payer(tenant, item.customer_id, (item.agent).customer_id) AS customer, cost.currency
        FROM ROWS FROM (unnest(items), unnest(resolved)) AS item
        CROSS JOIN LATERAL unnest(item.costs) AS cost
        WHERE item.posting_outcome = 'posted' AND item.status IS NULL
    ) AS wanted;
    IF customers IS NOT NULL THEN
        PERFORM paying_lock_money(tenant, customers, currencies);
    END IF;
END
$$;
