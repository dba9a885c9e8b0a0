"""The export of payments, for the record. Nothing imports it: what they took is in the exports of credits and billing."""

from kernel.ledger.exports.definitions import Field, Kind, LedgerFile, amount, fields, moment

LEGS = f"""(
    SELECT json_agg(json_build_object(
        'id', leg.id, 'ordinal', leg.ordinal, 'kind', leg.kind, 'holdId', leg.hold_id, 'entryId', leg.entry_id,
        'amount', {amount("leg.amount")}, 'captured', {amount("leg.captured")}, 'createdAt', {moment("leg.created_at")}
    ) ORDER BY leg.ordinal)
    FROM paying_paymentleg AS leg WHERE leg.tenant_id = payment.tenant_id AND leg.payment_id = payment.id
)"""  # noqa: S608 - made of constants

CALLS = f"""(
    SELECT json_agg(json_build_object(
        'id', call.id, 'kind', call.kind, 'amount', {amount("call.amount")}, 'capturedAfter', {amount("call.captured_after")},
        'expiresBefore', {moment("call.expires_before")}, 'expiresAt', {moment("call.expires_at")}, 'isFinal', call.is_final,
        'idempotencyKey', call.idempotency_key, 'createdAt', {moment("call.created_at")}, 'actor', call.actor, 'requestId', call.request_id
    ) ORDER BY call.created_at, call.captured_after, call.id)
    FROM paying_paymentcall AS call WHERE call.tenant_id = payment.tenant_id AND call.payment_id = payment.id
)"""  # noqa: S608 - made of constants

TOKEN = f"""(
    SELECT json_build_object(
        'id', token.id, 'network', token.network, 'scheme', token.scheme, 'payTo', token.pay_to, 'challenge', token.challenge,
        'keyId', token.key_id,
        'expiresAt', {moment("token.expires_at")}, 'presentedAt', {moment("token.presented_at")},
        'settlementId', token.settlement_id, 'settledAmount', {amount("token.settled_amount")}, 'settledAt', {moment("token.settled_at")},
        'receipt', token.receipt
    )
    FROM paying_paymenttoken AS token WHERE token.tenant_id = payment.tenant_id AND token.payment_id = payment.id
)"""  # noqa: S608 - made of constants

EXPORTS = (
    LedgerFile(
        name="payees",
        description="the names under which the tenant is paid",
        tables=("paying_payee",),
        row="payee",
        fields=(*fields("id", "pay_to", "actor"), *fields("created_at", kind=Kind.MOMENT)),
        source="paying_payee AS payee WHERE payee.tenant_id = %(tenant)s ORDER BY payee.created_at, payee.id",
    ),
    LedgerFile(
        name="payers",
        description="which payers pay the tenant's challenges, and within which limits",
        tables=("paying_payersetting",),
        row="payer",
        fields=(
            *fields("id", "payer"),
            Field("is_enabled", kind=Kind.FLAG),
            Field("max_amount", kind=Kind.MONEY),
            Field("max_currency"),
            Field("networks", "to_json(payer.networks)", kind=Kind.JSON),
            Field("pay_to", "to_json(payer.pay_to)", kind=Kind.JSON),
            Field("actor"),
            Field("updated_at", kind=Kind.MOMENT),
        ),
        source="paying_payersetting AS payer WHERE payer.tenant_id = %(tenant)s ORDER BY payer.payer",
    ),
    LedgerFile(
        name="collections",
        description="what was collected of the tenant's payments, and whose wallet it was posted to",
        tables=("paying_collection",),
        row="collection",
        fields=(
            *fields("id", "payment_id", "payee_tenant_id", "pay_to", "currency"),
            Field("amount", kind=Kind.MONEY),
            *fields("created_at", "posted_at", kind=Kind.MOMENT),
        ),
        source="paying_collection AS collection WHERE collection.tenant_id = %(tenant)s ORDER BY collection.created_at, collection.id",
    ),
    LedgerFile(
        name="payments",
        description="every payment for a metered transaction, with its parts in credits and in the wallet, and the calls about it",
        tables=("paying_payment", "paying_paymentleg", "paying_paymentcall", "paying_paymenttoken"),
        row="payment",
        fields=(
            *fields("id", "transaction_id"),
            Field("round", kind=Kind.WHOLE),
            *fields("kind", "status", "customer_id", "currency"),
            *fields("amount", "captured", "unpaid", kind=Kind.MONEY),
            Field("payer"),
            Field("is_unconfirmed", kind=Kind.FLAG),
            Field("legs", LEGS, kind=Kind.JSON),
            Field("calls", CALLS, kind=Kind.JSON),
            Field("token", TOKEN, kind=Kind.JSON),
            Field("reason"),
            *fields("hold_expires_at", "closed_at", "occurred_at", "created_at", "updated_at", kind=Kind.MOMENT),
            *fields("actor", "request_id"),
        ),
        source="paying_payment AS payment WHERE payment.tenant_id = %(tenant)s ORDER BY payment.created_at, payment.id",
    ),
)
