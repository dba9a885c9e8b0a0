-- The composite types that the functions of paying return and pass to each other.

-- What paying_hold_all_or_none did: `reason` says why nothing was held; otherwise the payments, their parts and, of a
-- payment of a 402, its token, to be recorded by paying_insert_payments.
CREATE TYPE paying_hold_result AS (
    reason text, payments paying_payment[], legs paying_paymentleg[], tokens paying_paymenttoken[]
);

-- What was taken for a payment: `captured` of what was asked, and the parts that were debited beyond its holds.
CREATE TYPE paying_taken AS (
    captured numeric, legs paying_paymentleg[]
);
