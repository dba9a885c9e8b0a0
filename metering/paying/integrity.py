"""What must hold of payments: their parts, the holds and debits in the other two ledgers, and what their transactions cost."""

from kernel.ledger.integrity.checks import Check
from kernel.ledger.integrity.digests import DigestCheck
from metering.paying.digests import CAPTURE_FACTS, EXTENSION_FACTS, capture_digest, extension_digest

# The holds that payments place, in both ledgers. Their key names the payment.
HOLDS = """(
    SELECT hold.tenant_id, hold.id, 'credits' AS kind, hold.amount, hold.captured, hold.status, hold.idempotency_key AS key, hold.expires_at
    FROM credits_hold AS hold WHERE hold.idempotency_key LIKE 'payment:%%'
    UNION ALL
    SELECT hold.tenant_id, hold.id, 'wallet', hold.amount, hold.captured, hold.status, hold.reference_id, hold.expires_at
    FROM billing_wallethold AS hold WHERE hold.reference_id LIKE 'payment:%%'
)"""

CHECKS = (
    Check(
        name="paying_legs_sum",
        rule="A payment is the sum of its parts, and so is what was captured of it.",
        statement="""
            SELECT payment.tenant_id, payment.id, payment.amount, summed.amount AS held, payment.captured, summed.captured AS taken
            FROM paying_payment AS payment
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(leg.amount), 0) AS amount, coalesce(sum(leg.captured), 0) AS captured
                FROM paying_paymentleg AS leg WHERE leg.tenant_id = payment.tenant_id AND leg.payment_id = payment.id
            ) AS summed
            WHERE (payment.amount <> summed.amount OR payment.captured <> summed.captured)
                AND (%(tenant)s::uuid IS NULL OR payment.tenant_id = %(tenant)s::uuid)
            ORDER BY payment.tenant_id, payment.id
        """,
    ),
    Check(
        name="paying_hold_without_payment",
        rule="Every hold of a payment is a part of it.",
        statement=f"""
            SELECT hold.tenant_id, hold.id, hold.kind, hold.key
            FROM {HOLDS} AS hold
            WHERE NOT EXISTS (
                SELECT FROM paying_paymentleg AS leg
                WHERE leg.tenant_id = hold.tenant_id AND leg.hold_id = hold.id AND leg.kind = hold.kind
                    AND hold.key = 'payment:' || leg.payment_id
            ) AND (%(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s::uuid)
            ORDER BY hold.tenant_id, hold.id
        """,  # noqa: S608 - made of constants
    ),
    Check(
        name="paying_holds",
        rule="A payment's hold reserves its part while the payment is open, and is over afterwards, with the same captured.",
        statement=f"""
            SELECT payment.tenant_id, payment.id, leg.kind, leg.hold_id, leg.amount, leg.captured, hold.status, hold.amount AS held,
                hold.captured AS taken
            FROM paying_payment AS payment
            JOIN paying_paymentleg AS leg
                ON leg.tenant_id = payment.tenant_id AND leg.payment_id = payment.id AND leg.hold_id IS NOT NULL
            LEFT JOIN {HOLDS} AS hold ON hold.tenant_id = leg.tenant_id AND hold.id = leg.hold_id AND hold.kind = leg.kind
            WHERE (hold.amount = leg.amount AND hold.captured = leg.captured
                -- Somebody may have released a hold by itself, and overdue ones are closed by jobs of their own.
                AND (payment.closed_at IS NULL OR hold.status <> 'active' OR hold.expires_at <= ledger_now())) IS NOT TRUE
                AND (%(tenant)s::uuid IS NULL OR payment.tenant_id = %(tenant)s::uuid)
            ORDER BY payment.tenant_id, payment.id, leg.ordinal
        """,  # noqa: S608 - made of constants
    ),
    Check(
        name="paying_debit_without_payment",
        rule="Every debit of a wallet that no caller stated is a part of a payment.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.reference_id, entry.amount
            FROM billing_transaction AS entry
            WHERE entry.reference_id LIKE 'payment:%%' AND entry.facts_digest = decode(billing_no_facts_digest(), 'hex') AND NOT EXISTS (
                SELECT FROM paying_paymentleg AS leg
                WHERE leg.tenant_id = entry.tenant_id AND leg.kind = 'wallet' AND leg.captured > 0
                    AND entry.reference_id LIKE 'payment:' || leg.payment_id
                        || CASE
                            WHEN leg.entry_id IS NOT NULL THEN ':' || leg.ordinal
                            WHEN entry.reference_id LIKE '%%:capture:%%' THEN ':capture:%%'
                            ELSE ''
                        END
                    AND leg.payment_id::text = split_part(entry.reference_id, ':', 2)
            ) AND (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s::uuid)
            ORDER BY entry.tenant_id, entry.id
        """,
    ),
    Check(
        name="paying_debits",
        rule="What was captured of a payment was debited: of credits in its name, and of the wallet under its reference.",
        statement="""
            SELECT leg.tenant_id, leg.payment_id AS id, leg.kind, leg.ordinal, leg.captured, debited.amount
            FROM paying_paymentleg AS leg
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(part.amount), 0) AS amount FROM (
                    SELECT entry.amount FROM credits_transaction AS entry
                    WHERE leg.kind = 'credits' AND entry.tenant_id = leg.tenant_id AND entry.type = 'DEBIT'
                        AND entry.invoice_id = leg.payment_id::text
                        AND (entry.hold_id = leg.hold_id OR entry.consumption_id = leg.entry_id)
                    UNION ALL
                    SELECT -entry.effect FROM billing_transaction AS entry
                    WHERE leg.kind = 'wallet' AND leg.entry_id IS NOT NULL AND entry.tenant_id = leg.tenant_id
                        AND entry.reverses_id IS NULL AND entry.type = 'usage'
                        AND entry.reference_id = 'payment:' || leg.payment_id || ':' || leg.ordinal
                    UNION ALL
                    SELECT taken.amount FROM billing_walletholdentry AS taken
                    JOIN billing_transaction AS entry ON entry.tenant_id = taken.tenant_id AND entry.id = taken.transaction_id
                    WHERE leg.kind = 'wallet' AND taken.tenant_id = leg.tenant_id AND taken.hold_id = leg.hold_id
                        AND taken.kind = 'captured' AND entry.type = 'usage' AND taken.amount = -entry.effect
                        AND entry.reference_id LIKE 'payment:' || leg.payment_id || '%%'
                ) AS part
            ) AS debited
            WHERE leg.captured <> debited.amount AND (%(tenant)s::uuid IS NULL OR leg.tenant_id = %(tenant)s::uuid)
            ORDER BY leg.tenant_id, leg.payment_id, leg.ordinal
        """,
    ),
    Check(
        name="paying_costs_captured",
        rule="What a completed transaction costs was captured, or is marked as unpaid.",
        statement="""
            SELECT payment.tenant_id, payment.id, payment.transaction_id, payment.captured, payment.unpaid, known.amount AS cost
            FROM paying_payment AS payment
            JOIN metering_transaction AS owner
                ON owner.tenant_id = payment.tenant_id AND owner.id = payment.transaction_id AND owner.status = 'completed'
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(cost.fiat_amount), 0) AS amount FROM metering_cost AS cost
                WHERE cost.tenant_id = owner.tenant_id AND cost.transaction_id = owner.id AND cost.is_active
                    AND cost.fiat_asset_symbol = payment.currency AND cost.payment_id IS NULL
            ) AS known
            WHERE payment.kind = 'prepaid' AND known.amount > payment.captured + payment.unpaid
                AND (%(tenant)s::uuid IS NULL OR payment.tenant_id = %(tenant)s::uuid)
            ORDER BY payment.tenant_id, payment.id
        """,
    ),
    Check(
        name="paying_challenge_costs",
        rule="A transaction's cost by the payment of a 402 is what that holds, or what was captured of it.",
        statement="""
            SELECT payment.tenant_id, payment.id, payment.transaction_id, payment.status, payment.amount, payment.captured,
                known.amount AS cost
            FROM paying_payment AS payment
            CROSS JOIN LATERAL (
                SELECT sum(cost.fiat_amount) AS amount, count(*) AS rows FROM metering_cost AS cost
                WHERE cost.tenant_id = payment.tenant_id AND cost.transaction_id = payment.transaction_id AND cost.is_active
                    AND cost.payment_id = payment.id AND cost.fiat_asset_symbol = payment.currency
            ) AS known
            WHERE payment.kind = 'x402' AND (known.rows = 1 AND (payment.unpaid = 0 OR payment.payer <> 'ledger')
                    AND known.amount = CASE WHEN payment.closed_at IS NULL THEN payment.amount ELSE payment.captured END) IS NOT TRUE
                AND (%(tenant)s::uuid IS NULL OR payment.tenant_id = %(tenant)s::uuid)
            ORDER BY payment.tenant_id, payment.id
        """,
    ),
    Check(
        name="paying_tokens",
        rule="A payment of a 402 has a token, and what was collected with it was captured and is owed to whom it pays.",
        statement="""
            SELECT payment.tenant_id, payment.id, payment.status, payment.captured, token.settled_amount, due.amount AS due
            FROM paying_payment AS payment
            LEFT JOIN paying_paymenttoken AS token ON token.tenant_id = payment.tenant_id AND token.payment_id = payment.id
            LEFT JOIN paying_collection AS due ON due.tenant_id = payment.tenant_id AND due.payment_id = payment.id
            WHERE (payment.kind = 'x402' AND (token.id IS NOT NULL AND payment.captured = coalesce(token.settled_amount, 0)
                    AND CASE payment.payer WHEN 'ledger' THEN payment.captured = coalesce(due.amount, 0) ELSE due.id IS NULL END
                    AND (due.id IS NULL OR due.currency = payment.currency)) IS NOT TRUE
                OR payment.kind <> 'x402' AND (token.id IS NOT NULL OR due.id IS NOT NULL))
                AND (%(tenant)s::uuid IS NULL OR payment.tenant_id = %(tenant)s::uuid)
            ORDER BY payment.tenant_id, payment.id
        """,
    ),
    Check(
        name="paying_partial_captures",
        rule="Captures of a payment in parts took what was captured of it, one after the other, before what was debited when it ended; its "
        "end, and that of its holds, is that of its newest call.",
        statement=f"""
            SELECT payment.tenant_id, payment.id, payment.status, payment.captured, payment.hold_expires_at, calls.taken, calls.finals,
                calls.out_of_turn, newest.expires_at AS call_expires_at
            FROM paying_payment AS payment
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(call.amount), 0) AS taken, count(*) FILTER (WHERE call.is_final) AS finals, count(*) FILTER (
                    WHERE call.captured_after <> call.so_far OR call.kind <> 'captured' AND call.amount <> 0
                ) AS out_of_turn, max(call.created_at) FILTER (WHERE call.is_final) AS final_at
                FROM (
                    SELECT known.*, sum(known.amount) OVER (ORDER BY known.created_at, known.captured_after, known.id) AS so_far
                    FROM paying_paymentcall AS known
                    WHERE known.tenant_id = payment.tenant_id AND known.payment_id = payment.id
                ) AS call
            ) AS calls
            LEFT JOIN LATERAL (
                SELECT call.expires_at FROM paying_paymentcall AS call
                WHERE call.tenant_id = payment.tenant_id AND call.payment_id = payment.id
                ORDER BY call.created_at DESC, call.expires_at DESC LIMIT 1
            ) AS newest ON true
            WHERE (calls.out_of_turn > 0 OR calls.finals > 1 OR calls.taken > payment.captured
                OR payment.closed_at IS NULL AND (calls.taken <> payment.captured OR calls.finals > 0)
                OR calls.final_at <> payment.closed_at OR newest.expires_at <> payment.hold_expires_at
                OR EXISTS (
                    SELECT FROM paying_paymentleg AS leg
                    JOIN {HOLDS} AS hold ON hold.tenant_id = leg.tenant_id AND hold.id = leg.hold_id AND hold.kind = leg.kind
                    WHERE leg.tenant_id = payment.tenant_id AND leg.payment_id = payment.id AND hold.status = 'active'
                        AND hold.expires_at <> payment.hold_expires_at
                )) AND (%(tenant)s::uuid IS NULL OR payment.tenant_id = %(tenant)s::uuid)
            ORDER BY payment.tenant_id, payment.id
        """,  # noqa: S608 - made of constants
    ),
    Check(
        name="paying_revenue_posted",
        rule="What is marked as posted to whom a payment pays is in their wallet, once, as revenue.",
        statement="""
            SELECT due.tenant_id, due.id, due.payment_id, due.amount, entry.amount AS posted
            FROM paying_collection AS due
            LEFT JOIN billing_transaction AS entry
                ON entry.tenant_id = due.payee_tenant_id AND entry.type = 'revenue' AND entry.reference_id = 'payment:' || due.payment_id
            WHERE due.posted_at IS NOT NULL AND (entry.amount = due.amount AND entry.currency = due.currency) IS NOT TRUE
                AND (%(tenant)s::uuid IS NULL OR due.tenant_id = %(tenant)s::uuid)
            ORDER BY due.tenant_id, due.id
        """,
    ),
)

DIGEST_CHECKS = (
    DigestCheck(
        name="paying_capture_digest",
        rule="A capture's columns match the digest of the facts that it was made with.",
        statement="""
            SELECT call.tenant_id, call.id, call.facts_digest, call.payment_id AS payment, call.amount, call.is_final AS final
            FROM paying_paymentcall AS call
            WHERE call.kind = 'captured' AND (%(tenant)s::uuid IS NULL OR call.tenant_id = %(tenant)s)
        """,
        facts=CAPTURE_FACTS,
        digest_of=capture_digest,
        only_stated=frozenset({"payment"}),
    ),
    DigestCheck(
        name="paying_extension_digest",
        rule="An extension's columns match the digest of the facts that it was made with.",
        statement="""
            SELECT call.tenant_id, call.id, call.facts_digest, call.payment_id AS payment, call.expires_at
            FROM paying_paymentcall AS call
            WHERE call.kind = 'extended' AND (%(tenant)s::uuid IS NULL OR call.tenant_id = %(tenant)s)
        """,
        facts=EXTENSION_FACTS,
        digest_of=extension_digest,
        only_stated=frozenset(EXTENSION_FACTS),
    ),
)
