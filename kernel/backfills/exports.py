"""Backfill runs and their rejected rows as files, for the record."""

from kernel.ledger.exports.definitions import Export, Field, Kind, digest, fields

EXPORTS = (
    Export(
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
    Export(
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
    Export(
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
)
