"""Correction requests and thresholds as files, for the record."""

from kernel.ledger.exports.definitions import Field, Kind, LedgerFile, fields


def _rows_of(table: str) -> Field:
    """The rows of a table that belongs to a request, as a JSON array; bytes are hexadecimal."""
    written = f"""(
        SELECT json_agg(to_jsonb(part) - 'tenant_id' - 'request_id' ORDER BY part.id) FROM corrections_{table} AS part
        WHERE part.tenant_id = request.tenant_id AND part.request_id = request.id
    )"""  # noqa: S608 - made of constants
    return Field(PARTS[table], written, kind=Kind.JSON)


# The tables that belong to a request, and the export's column for each.
PARTS = {"line": "lines", "entry": "entries", "statechange": "changes", "comment": "comments", "evidence": "evidence"}

EXPORTS = (
    LedgerFile(
        name="corrections",
        description="every correction request with its preview, entries, comments and evidence",
        tables=("corrections_request", *(f"corrections_{part}" for part in PARTS)),
        row="request",
        fields=(
            *fields("id", "kind"),
            Field("facts", kind=Kind.JSON),
            *fields("reason_code", "reason", "evidence_link"),
            Field("size", kind=Kind.JSON),
            Field("needs_approval", kind=Kind.FLAG),
            Field("preview", kind=Kind.WHOLE),
            *fields("state", "requested_by", "request_id", "decided_by"),
            *fields("created_at", "decided_at", kind=Kind.MOMENT),
            *map(_rows_of, PARTS),
        ),
        source="corrections_request AS request WHERE request.tenant_id = %(tenant)s ORDER BY request.created_at, request.id",
    ),
    LedgerFile(
        name="correction-thresholds",
        description="the amount for each unit up to which a correction needs no approval",
        tables=("corrections_threshold",),
        row="threshold",
        fields=(
            Field("unit"),
            *fields("amount", "daily_amount", kind=Kind.MONEY),
            Field("updated_by"),
            Field("updated_at", kind=Kind.MOMENT),
        ),
        source="corrections_threshold AS threshold WHERE threshold.tenant_id = %(tenant)s ORDER BY threshold.unit",
    ),
)
