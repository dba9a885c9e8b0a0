"""Backfill runs, their rejected rows, and the files that staff uploaded, as files for the record."""

from kernel.ledger.exports.definitions import Field, Kind, LedgerFile, digest, fields

EXPORTS = (
    LedgerFile(
        name="backfill-runs",
        description="every backfill run: which file, what its plan found, how far it came",
        tables=("backfills_run",),
        row="run",
        fields=(
            *fields("id", "command", "source", "format"),
            *fields("options", "plan", kind=Kind.JSON),
            *fields("file_digest", "plan_digest"),
            *fields("file_size", "rows", "jobs", "position", "line", "offset", "undone_rows", kind=Kind.WHOLE),
            *fields("counts", "sums", kind=Kind.JSON),
            *fields("state", "stopped_because", "actor", "started_by", "undone_by"),
            *fields("created_at", "started_at", "moved_at", "finished_at", "undone_at", kind=Kind.MOMENT),
        ),
        source="backfills_run AS run WHERE run.tenant_id = %(tenant)s ORDER BY run.id",
    ),
    LedgerFile(
        name="backfill-shares",
        description="the shares of runs that several processes posted",
        tables=("backfills_share",),
        row="share",
        fields=(
            *fields("id", "run_id"),
            *fields("number", "position", "line", "offset", kind=Kind.WHOLE),
            *fields("counts", "sums", kind=Kind.JSON),
            Field("created_at", kind=Kind.MOMENT),
        ),
        source="backfills_share AS share WHERE share.tenant_id = %(tenant)s ORDER BY share.run_id, share.number",
    ),
    LedgerFile(
        name="backfill-rejects",
        description="the rows that were refused, their bytes in hexadecimal",
        tables=("backfills_reject",),
        row="reject",
        fields=(
            *fields("id", "run_id"),
            *fields("part", "line", kind=Kind.WHOLE),
            *fields("code", "column", "why"),
            Field("record", digest("reject.record")),
            Field("created_at", kind=Kind.MOMENT),
        ),
        source="backfills_reject AS reject WHERE reject.tenant_id = %(tenant)s ORDER BY reject.run_id, reject.part, reject.line",
    ),
    LedgerFile(
        name="backfill-uploads",
        description="the files that staff uploaded: how each is read, its newest plan, who asked for it to be posted, and who approved",
        tables=("backfills_upload",),
        row="upload",
        fields=(
            *fields("id", "command", "file_name", "file_digest"),
            Field("file_size", kind=Kind.WHOLE),
            *fields("arguments", "look", kind=Kind.JSON),
            *fields("run_id", "state", "problem"),
            *fields("done", "tries", kind=Kind.WHOLE),
            Field("moves", kind=Kind.JSON),
            *fields("actor", "requested_by", "decided_by"),
            *fields("created_at", "moved_at", "file_deleted_at", kind=Kind.MOMENT),
        ),
        source="backfills_upload AS upload WHERE upload.tenant_id = %(tenant)s ORDER BY upload.id",
    ),
    LedgerFile(
        name="backfill-upload-steps",
        description="what staff did with the files that they uploaded",
        tables=("backfills_uploadstep",),
        row="step",
        fields=(
            *fields("id", "upload_id", "run_id", "what", "actor", "reason", "request_id"),
            Field("created_at", kind=Kind.MOMENT),
        ),
        source="backfills_uploadstep AS step WHERE step.tenant_id = %(tenant)s ORDER BY step.id",
    ),
)
