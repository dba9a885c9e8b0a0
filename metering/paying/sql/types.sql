-- The composite types that the functions of paying return and pass to each other.

-- What paying_place did: `reason` says why nothing was held; otherwise the payments, their parts and, of a
-- payment of a 402, its token, to be recorded by paying_record.
CREATE TYPE paying_placed AS (
    reason text, payments paying_payment[], legs paying_paymentleg[], tokens paying_paymenttoken[]
);

-- What was taken for a payment: `captured` of what was asked, and the parts that were debited beyond its holds.
CREATE TYPE paying_collected AS (
    captured numeric, legs paying_paymentleg[]
);
