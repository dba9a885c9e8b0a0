-- What a quantity costs by one term of a price: by the unit, by begun packages, or by tiers.
-- Takes: the quantity; the row of metering_unitprice.
-- Returns: the cost, not rounded to the places of an amount.
-- Locks: nothing.
-- Never: writes, or decides what a transaction costs: metering/pricing/unit_costs.py does, and the integrity check compares the
-- two.
CREATE OR REPLACE FUNCTION metering_unit_cost(quantity numeric, unit metering_unitprice)
RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $$
    WITH tier AS (
        SELECT (step.value ->> 'amount')::numeric AS amount, (step.value ->> 'upTo')::numeric AS bound, step.ordinality AS ordinal,
            coalesce(lag((step.value ->> 'upTo')::numeric) OVER (ORDER BY step.ordinality), 0) AS below
        FROM json_array_elements(unit.tiers) WITH ORDINALITY AS step
    ), part AS (
        -- Without tiers the whole quantity is one part.
        SELECT unit.amount, quantity AS counted WHERE unit.tier_mode = ''
        UNION ALL
        SELECT tier.amount, least(quantity, coalesce(tier.bound, quantity)) - tier.below FROM tier
        WHERE unit.tier_mode = 'graduated' AND (quantity > tier.below OR tier.ordinal = 1)
        UNION ALL
        (SELECT tier.amount, quantity FROM tier
        WHERE unit.tier_mode = 'volume' AND (tier.bound IS NULL OR quantity <= tier.bound) ORDER BY tier.ordinal LIMIT 1)
    )
    SELECT coalesce(sum(
        CASE WHEN unit.is_package THEN ceil(part.counted / unit.per) * part.amount ELSE part.counted * part.amount / unit.per END
    ), 0)
    FROM part
$$;
