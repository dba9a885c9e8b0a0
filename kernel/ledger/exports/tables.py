"""What the ledgers have in common as files, for the record: how rows came in from files, and how corrections were asked for and decided."""

from kernel.ledger.exports.writing import Export, Field, Kind, digest, fields


def _rows_of(table: str) -> Field:
    """The rows of one of the tables around a correction, whole; a file's bytes are hexadecimal there."""
    written = f"""(
        SELECT json_agg(to_jsonb(part) - 'tenant_id' - 'request_id' ORDER BY part.id) FROM corrections_{table} AS part
        WHERE part.tenant_id = request.tenant_id AND part.request_id = request.id
    )"""  # noqa: S608 - made of constants
    return Field(PARTS[table], written, kind=Kind.JSON)


# What a correction consists of: table to column.
PARTS = {"line": "lines", "entry": "entries", "statechange": "changes", "comment": "comments", "evidence": "evidence"}

EXPORTS = (
    Export(
        name="backfill-runs",
        says="what came in from files",
        tables=("backfills_run",),
        row="run",
        fields=(
            *fields("id", "command", "source", "format"),
            *fields("options", "plan", kind=Kind.JSON),
            *fields("file_digest", "plan_digest"),
            *fields("file_size", "rows", "position", "line", "offset", "undone_rows", kind=Kind.WHOLE),
            *fields("counts", "sums", kind=Kind.JSON),
            *fields("state", "stopped_because", "actor", "started_by", "undone_by"),
            *fields("created_at", "started_at", "moved_at", "finished_at", "undone_at", kind=Kind.MOMENT),
        ),
        source="backfills_run AS run WHERE run.tenant_id = %(tenant)s ORDER BY run.id",
    ),
    Export(
        name="backfill-rejects",
        says="the rows of those files that were refused, each byte of them in hexadecimal",
        tables=("backfills_reject",),
        row="reject",
        fields=(
            *fields("id", "run_id"),
            Field("line", kind=Kind.WHOLE),
            *fields("code", "column", "why"),
            Field("record", digest("reject.record")),
            Field("created_at", kind=Kind.MOMENT),
        ),
        source="backfills_reject AS reject WHERE reject.tenant_id = %(tenant)s ORDER BY reject.run_id, reject.line",
    ),
    Export(
        name="corrections",
        says="every request for a correction with what it would post or posted, what was said about it, and its evidence",
        tables=("corrections_request", *(f"corrections_{part}" for part in PARTS)),
        row="request",
        fields=(
            *fields("id", "kind"),
            Field("facts", kind=Kind.JSON),
            *fields("reason_code", "reason", "evidence_link"),
            Field("size", kind=Kind.JSON),
            Field("needs_approval", kind=Kind.FLAG),
            Field("preview", kind=Kind.WHOLE),
            *fields("state", "asked_by", "request_id", "decided_by"),
            *fields("created_at", "decided_at", kind=Kind.MOMENT),
            *map(_rows_of, PARTS),
        ),
        source="corrections_request AS request WHERE request.tenant_id = %(tenant)s ORDER BY request.created_at, request.id",
    ),
    Export(
        name="correction-thresholds",
        says="up to how much is corrected without another person",
        tables=("corrections_threshold",),
        row="threshold",
        fields=(Field("unit"), Field("amount", kind=Kind.MONEY), Field("updated_by"), Field("updated_at", kind=Kind.MOMENT)),
        source="corrections_threshold AS threshold WHERE threshold.tenant_id = %(tenant)s ORDER BY threshold.unit",
    ),
)
