-- What a transaction adds to a measure.
-- Takes: the transaction, the measurement, the currency, and whether estimates count.
-- Returns: the number or amount; null where the cost isn't known: no cost was stated, or only estimates that don't count. Locks: nothing.
-- The payment that a round asks for stands in place of the estimates; once it is held, they are superseded. What was cancelled or denied
-- pays nothing.
CREATE OR REPLACE FUNCTION rules_measured_amount(subject rules_subject, measurement text, currency text, include_estimates boolean)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    actual numeric;
    estimated numeric;
    payment CONSTANT numeric := CASE WHEN subject.payment_currency = currency THEN subject.payment_amount END;
BEGIN
    CASE measurement
        WHEN 'count_transactions' THEN
            RETURN 1;
        WHEN 'sum_payment_amount', 'this_payment_amount' THEN
            RETURN CASE WHEN subject.status IN ('cancelled', 'denied') THEN 0 ELSE coalesce(payment, 0) END;
        ELSE
            NULL;
    END CASE;
    SELECT sum(cost.amount) FILTER (WHERE NOT cost.is_estimate), sum(cost.amount) FILTER (WHERE cost.is_estimate)
    INTO actual, estimated
    FROM unnest(subject.costs) AS cost
    WHERE cost.currency = rules_measured_amount.currency;
    IF payment IS NOT NULL THEN
        RETURN coalesce(actual, 0) + payment
            + CASE WHEN include_estimates AND subject.status = 'completed' THEN coalesce(estimated, 0) ELSE 0 END;
    END IF;
    IF include_estimates THEN
        RETURN CASE WHEN cardinality(subject.costs) > 0 THEN coalesce(actual, 0) + coalesce(estimated, 0) END;
    END IF;
    RETURN CASE WHEN cardinality(subject.costs) > 0 AND (actual IS NOT NULL OR estimated IS NULL) THEN coalesce(actual, 0) END;
END
$$;
