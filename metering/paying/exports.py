"""The export of payments, for the record. Nothing imports it: what they took is in the exports of credits and billing."""

from kernel.ledger.exports.definitions import Export, Field, Kind, amount, fields, moment

LEGS = f"""(
    SELECT json_agg(json_build_object(
        'id', leg.id, 'place', leg.place, 'kind', leg.kind, 'holdId', leg.hold_id, 'entryId', leg.entry_id,
        'amount', {amount("leg.amount")}, 'captured', {amount("leg.captured")}, 'createdAt', {moment("leg.created_at")}
    ) ORDER BY leg.place)
    FROM paying_paymentleg AS leg WHERE leg.tenant_id = payment.tenant_id AND leg.payment_id = payment.id
)"""  # noqa: S608 - made of constants

EXPORTS = (
    Export(
        name="payments",
        description="every payment for a metered transaction, with its parts in credits and in the wallet",
        tables=("paying_payment", "paying_paymentleg"),
        row="payment",
        fields=(
            *fields("id", "transaction_id"),
            Field("round", kind=Kind.WHOLE),
            *fields("kind", "status", "customer_id", "currency"),
            *fields("amount", "captured", "unpaid", kind=Kind.MONEY),
            Field("legs", LEGS, kind=Kind.JSON),
            Field("reason"),
            *fields("hold_expires_at", "closed_at", "occurred_at", "created_at", "updated_at", kind=Kind.MOMENT),
            *fields("actor", "request_id"),
        ),
        source="paying_payment AS payment WHERE payment.tenant_id = %(tenant)s ORDER BY payment.created_at, payment.id",
    ),
)
