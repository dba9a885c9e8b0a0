"""What the page of an uploaded file shows: how far it is, its plan in numbers and in rows, how it is read, and what may be done next."""

import shlex
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from kernel.backfills import reports, selectors
from kernel.backfills.admin.form_words import in_words_of_the_form
from kernel.backfills.admin.upload_forms import ReadingForm, command_choices
from kernel.backfills.arguments.profiles import Profile, find_profile, shipped_profiles
from kernel.backfills.choices import MAY_PLAN, MAY_REQUEST_UNDO, WAITING_STATES, WORKING, RunState, UploadState
from kernel.backfills.errors import BadSource
from kernel.backfills.known_commands import adapter_of, title_of
from kernel.backfills.models import BackfillRun, BackfillUpload
from kernel.backfills.reading.columns import quoted
from kernel.backfills.reading.sources import find_source
from kernel.backfills.uploads.stored_files import path_of
from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.ledger.admin import Panel
from kernel.ledger.admin.form_ids import new_form_id
from kernel.ledger.admin.formatting import Html, actor_names, actor_of, id_link, joined, label, money
from kernel.ledger.outcomes import POSTED

REQUEST = "backfills.request_backfillupload"
DECIDE = "backfills.decide_backfillupload"
COLOURS = {
    UploadState.APPLIED: "good",
    UploadState.REFUSED: "bad",
    UploadState.STOPPED: "bad",
    **dict.fromkeys([*WORKING, *WAITING_STATES, UploadState.PAUSED], "wait"),
}
ROWS_SHOWN = 20


def status_of(upload: BackfillUpload) -> Html:
    return label(upload.get_state_display(), COLOURS.get(UploadState(upload.state), ""))


def page_context(request: HttpRequest, upload: BackfillUpload, form: ReadingForm | None) -> dict[str, Any]:
    """The context of the page. `form`: one that was sent and is shown again with its errors."""
    run, plan = upload.run, upload.run.plan if upload.run is not None else {}
    may = _may(request, upload)
    is_shown = upload.state != UploadState.PLANNING and run is not None
    return {
        "upload": upload,
        "problem": in_words_of_the_form(upload.problem),
        "status": status_of(upload),
        "facts": _facts(upload),
        "is_working": upload.state in WORKING,
        "progress": _progress(upload),
        "hints": [in_words_of_the_form(hint) for hint in plan.get("hints", [])] if upload.state == UploadState.PLANNED else [],
        "suggested": _suggested(upload),
        "panels": _panels(run) if is_shown and run is not None else [],
        "first_rows": _first_rows(upload),
        "may": may,
        "asked_by": actor_names({upload.requested_by})[upload.requested_by] if upload.requested_by else "",
        "needs_approval": run is not None and selectors.needs_approval(run),
        "moves": [money(amount, unit) for unit, amount in selectors.moves_of(run).items()] if run is not None else [],
        "reading": (form or _form(request, upload)) if may["plan"] else None,
        "profiles": [(one.name, f"{one.title} · {title_of(one.command)}") for one in shipped_profiles()],
        "commands": command_choices(),
        "zones": sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/"))),
        "command_line": _command_line(upload),
        "rejects": _rejects_url(run),
        "steps": _steps(upload),
        "form_id": new_form_id(request),
    }


def _may(request: HttpRequest, upload: BackfillUpload) -> dict[str, bool]:
    requests, decides = request.user.has_perm(REQUEST), request.user.has_perm(DECIDE)
    is_own = upload.requested_by == actor_of(request)
    is_waiting = upload.state in WAITING_STATES
    has_file = upload.file_deleted_at is None
    return {
        "plan": requests and upload.state in MAY_PLAN and has_file,
        "apply": requests and upload.state == UploadState.PLANNED and has_file,
        "undo": requests and upload.state in MAY_REQUEST_UNDO and upload.run is not None and bool(upload.run.counts.get(POSTED)),
        "decide": decides and is_waiting and not is_own,
        "withdraw": is_waiting and is_own,
        "cancel": requests and upload.state == UploadState.PLANNING,
        "pause": (requests or decides) and upload.state == UploadState.APPLYING,
        "continue": requests and upload.state in {UploadState.PAUSED, UploadState.STOPPED},
    }


def _facts(upload: BackfillUpload) -> list[tuple[str, Any]]:
    names = actor_names({upload.actor, upload.requested_by, upload.decided_by} - {""})
    facts: list[tuple[str, Any]] = [
        ("Tenant", id_link("tenants.tenant", upload.tenant_id, str(upload.tenant))),
        ("Its rows are", title_of(upload.command)),
        ("Uploaded by", names[upload.actor]),
        ("Uploaded", local_time(upload.created_at)),
        ("Size", filesizeformat(upload.file_size)),
    ]
    if upload.run is not None:
        facts += [("Rows", f"{upload.run.rows:,}"), ("Run", id_link("backfills.backfillrun", upload.run_id))]
    if upload.requested_by:
        facts.append(("Requested by", names[upload.requested_by]))
    if upload.decided_by:
        facts.append(("Approved by", names[upload.decided_by]))
    if upload.moves:
        facts.append(("Moves at most", joined(f"{amount} {unit}" for unit, amount in upload.moves.items())))
    if upload.file_deleted_at is not None:
        facts.append(("File deleted", local_time(upload.file_deleted_at)))
    return facts


def _progress(upload: BackfillUpload) -> dict[str, Any] | None:
    """How much is done, in per cent and in words."""
    run = upload.run
    if upload.state == UploadState.PLANNING:
        return _share(upload.done, upload.file_size, "bytes are read")
    if run is None or upload.state not in {*WORKING, UploadState.PAUSED, UploadState.STOPPED}:
        return None
    if upload.state == UploadState.UNDOING or run.state == RunState.UNDOING:
        return _share(run.undone_rows, run.counts.get(POSTED, 0), "rows are taken back")
    posted, refused = run.counts.get(POSTED, 0), reports.refused_rows(run.counts)
    return _share(run.position, run.rows, f"rows are done: {posted:,} posted, {refused:,} refused")


def _share(done: int, total: int, what: str) -> dict[str, Any]:
    return {"share": min(100, done * 100 // total) if total else 0, "text": f"{done:,} of {total:,} {what}."}


def _suggested(upload: BackfillUpload) -> list[dict[str, Any]]:
    """Recognised profiles, and whether each is what the file is read with now."""
    return [
        {**one, "rows": title_of(one["command"]), "is_used": one["command"] == upload.command and _is_used(one["name"], upload)}
        for one in upload.look.get("profiles", [])
    ]


def _is_used(name: str, upload: BackfillUpload) -> bool:
    try:
        profile = find_profile(name)
    except BadSource:
        return False
    return any(set(form.arguments) <= set(upload.arguments) for form in profile.variants)


def _form(request: HttpRequest, upload: BackfillUpload) -> ReadingForm:
    """The form for the options that stand, or for the profile or the ledger that the address names."""
    command, arguments = upload.command, list(upload.arguments)
    try:
        if named := request.GET.get("profile"):
            profile = find_profile(named) if not named.endswith(".toml") else None
            command, arguments = (profile.command, _arguments(profile, upload)) if profile else (command, arguments)
        elif (chosen := request.GET.get("command", command)) != command:
            command, arguments = chosen, []
        return ReadingForm(None, adapter=adapter_of(command), upload=upload, arguments=arguments)
    except BadSource:
        return ReadingForm(None, adapter=adapter_of(upload.command), upload=upload, arguments=upload.arguments)


def _arguments(profile: Profile, upload: BackfillUpload) -> list[str]:
    """The profile's options, in the form that fits the file."""
    try:
        return profile.variant_of(find_source([str(path_of(upload))], format=None)).arguments
    except BadSource:
        return profile.variants[0].arguments


def _panels(run: BackfillRun) -> list[Panel]:
    plan = run.plan
    panels = [_outcomes(run)]
    if refused := plan.get("examples"):
        rows = [(one["place"], one["outcome"], in_words_of_the_form(one["why"])) for one in refused[:ROWS_SHOWN]]
        note = f"The first {len(rows)} of {reports.refused_rows(plan['counts']):,}." if len(refused) > len(rows) else ""
        panels.append(Panel("Would not be posted", ("Where", "Outcome", "Why"), rows, note=note))
    panels += _names_panels(plan)
    if by_type := plan.get("by_type"):
        types = [
            (one["type"], f"{one['rows']:,}", _money(one["amount"], one["unit"]), one["first_day"], one["last_day"])
            for one in by_type[:ROWS_SHOWN]
        ]
        panels.append(Panel("By type", ("Type", "Rows", "Amount", "First day", "Last day"), types))
    if accounts := plan.get("accounts"):
        moved = [
            (one["account"], *(_money(one[name], one["unit"]) for name in ("before", "after", "change")), f"{one['rows']:,}")
            for one in accounts[:ROWS_SHOWN]
        ]
        panels.append(Panel("Accounts", ("Account", "Before", "After", "Change", "Rows"), moved))
    return panels


def _outcomes(run: BackfillRun) -> Panel:
    """The plan's outcomes; once it is being posted, those of the run beside them."""
    planned, posted = reports.counts_by_label(run.plan["counts"]), reports.counts_by_label(run.counts)
    names = list(dict.fromkeys((*planned, *posted)))
    if not run.counts:
        rows: list[tuple[Any, ...]] = [(name, f"{planned[name]:,}") for name in names]
        rows += [(f"sum {unit}", _money(amount, unit)) for unit, amount in run.plan["sums"].items()]
        return Panel("What the plan found", ("Rows", "Number"), rows, note=_notes(run.plan))
    rows = [(name, f"{planned.get(name, 0):,}", f"{posted.get(name, 0):,}") for name in names]
    rows += [(f"sum {unit}", _money(run.plan["sums"].get(unit, "0"), unit), _money(amount, unit)) for unit, amount in run.sums.items()]
    return Panel("Planned and posted", ("Rows", "Planned", "So far" if run.state != RunState.FINISHED else "Posted"), rows)


def _money(amount: str, unit: str) -> Any:
    return money(Decimal(amount), unit)


def _notes(plan: Mapping[str, Any]) -> str:
    notes = []
    if plan.get("left_out"):
        notes.append(f"Columns left out: {', '.join(map(quoted, plan['left_out']))}.")
    if plan.get("repeated", {}).get("rows"):
        repeated = plan["repeated"]
        notes.append(f"Rows equal to an earlier row, which are posted once: {repeated['rows']:,}; the first is {repeated['first']}.")
    if plan.get("back_dated", {}).get("rows"):
        dated = plan["back_dated"]
        notes.append(f"{dated['rows']:,} rows happened before what their accounts already have, from {dated['first']} to {dated['last']}.")
    return " ".join(notes)


def _names_panels(plan: Mapping[str, Any]) -> list[Panel]:
    """Names that the ledger doesn't have: a misspelt one is seen here."""
    rows = [
        (noun, name["name"], f"{name['rows']:,}")
        for noun, found in plan.get("new_names", {}).items()
        for name in found["names"][:ROWS_SHOWN]
    ]
    panels = [Panel("New in this ledger", ("What", "Name", "Rows"), rows)] if rows else []
    if unknown := plan.get("unknown_types"):
        types = [(quoted(one["type"]), f"{one['rows']:,}", ", ".join(one["near"]) or NOTHING) for one in unknown[:ROWS_SHOWN]]
        note = "Their rows would be refused: say below which direction each has, or which known type it is."
        panels.append(Panel("Types that the catalogue lacks", ("Type", "Rows", "Perhaps"), types, note=note))
    return panels


def _first_rows(upload: BackfillUpload) -> list[dict[str, Any]]:
    """The first rows before and after; before a plan stands, as the file has them."""
    if upload.state == UploadState.PLANNING:
        return []
    if upload.run is not None and upload.state != UploadState.REFUSED:
        return [row | {"why": in_words_of_the_form(row.get("why", ""))} for row in upload.run.plan.get("first_rows", [])]
    return [{"place": "", "before": row, "after": {}, "why": ""} for row in upload.look.get("first_rows", [])]


def _command_line(upload: BackfillUpload) -> str:
    options: Sequence[str] = [shlex.quote(argument) for argument in upload.arguments]
    return " ".join(["manage.py", upload.command, upload.tenant.slug, shlex.quote(upload.file_name), "--plan", *options])


def _rejects_url(run: BackfillRun | None) -> str:
    """Where the rows that were refused are downloaded; empty if there are none."""
    if run is None or not reports.refused_rows(run.counts):
        return ""
    return reverse("admin:backfills_backfillrun_download_rejects", args=(run.pk,))


def _steps(upload: BackfillUpload) -> list[dict[str, Any]]:
    steps = list(selectors.list_steps(upload=upload))
    names = actor_names(step.actor for step in steps)
    return [
        {"who": names[step.actor], "what": step.get_what_display(), "when": local_time(step.created_at), "text": step.reason}
        for step in steps
    ]
