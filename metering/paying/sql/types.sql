-- The composite types that the functions of paying return and pass to each other.

-- What paying_place did: `reason` says why nothing was held; otherwise the payments and their parts, to be recorded by paying_record.
CREATE TYPE paying_placed AS (
    reason text, payments paying_payment[], legs paying_paymentleg[]
);

-- What was taken for a payment: `captured` of what was asked, and the parts that were debited beyond its holds.
CREATE TYPE paying_collected AS (
    captured numeric, legs paying_paymentleg[]
);
