"""Webhook endpoints and who read their secrets as files, for the record. Events and deliveries are no part: they are kept for 90 days."""

from kernel.ledger.exports.definitions import Field, Kind, LedgerFile, fields

EXPORTS = (
    LedgerFile(
        name="webhook-endpoints",
        description="every webhook endpoint, deleted ones too, without the values of its headers",
        tables=("events_endpoint",),
        row="endpoint",
        fields=(
            *fields("id", "url", "description"),
            Field("enabled_events", "array_to_json(endpoint.enabled_events)", kind=Kind.JSON),
            *fields("ordering", "payload"),
            Field("headers", "(SELECT json_agg(name) FROM jsonb_object_keys(endpoint.headers) AS name)", kind=Kind.JSON),
            Field("metadata", kind=Kind.JSON),
            *fields("status", "disabled_reason", "disabled_note"),
            *fields("secret_generation", "version", kind=Kind.WHOLE),
            *fields("created_by"),
            *fields("created_at", "updated_at", "disabled_at", "last_success_at", kind=Kind.MOMENT),
        ),
        source="events_endpoint AS endpoint WHERE endpoint.tenant_id = %(tenant)s ORDER BY endpoint.id",
    ),
    LedgerFile(
        name="webhook-secret-readings",
        description="who read the secret of a webhook endpoint, and when",
        tables=("events_secretreading",),
        row="reading",
        fields=(
            *fields("id", "endpoint_id", "actor", "request_id"),
            Field("generation", kind=Kind.WHOLE),
            Field("created_at", kind=Kind.MOMENT),
        ),
        source="events_secretreading AS reading WHERE reading.tenant_id = %(tenant)s ORDER BY reading.id",
    ),
)
