"""Signing in to the back office: attempts are limited by account and by address, recorded, and written to the log."""

import hashlib
import ipaddress
from datetime import timedelta
from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from unfold.forms import AuthenticationForm

from backoffice.models import SignIn

log = structlog.get_logger("countinghouse.sign_in")

# Failed attempts within WINDOW after which further ones are refused without looking at the password.
MAX_FAILURES_PER_NAME = 5
MAX_FAILURES_PER_ADDRESS = 50
WINDOW = timedelta(minutes=15)
# How long attempts are kept.
MAX_AGE = timedelta(days=90)


class SignInForm(AuthenticationForm):
    """Django's login form of the admin, with the limits above."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "blocked": f"Too many attempts. Try again in {WINDOW.seconds // 60} minutes.",
    }

    def clean(self) -> Any:
        name = self.cleaned_data.get("username") or ""
        attempt = SignIn(name_digest=hashlib.sha256(name.encode()).hexdigest(), address=_address(self.request))
        refusal: ValidationError | None = None
        with transaction.atomic():
            # One attempt per name at a time, until it is recorded: otherwise many at once would all be let through before one has failed.
            _lock(attempt.name_digest)
            # What it does to the account's row is no change of a setting: see backoffice_record_change.sql.
            _mark_sign_in("on")
            try:
                if _is_blocked(attempt):
                    raise ValidationError(self.error_messages["blocked"], code="blocked")
                cleaned = super().clean()
            except ValidationError as error:
                refusal = error
            _mark_sign_in("off")
            attempt.outcome = _outcome(refusal)
            _record(attempt, name)
        if refusal is not None:
            raise refusal
        return cleaned


def _outcome(refusal: ValidationError | None) -> str:
    if refusal is None:
        return SignIn.Outcome.OK
    return SignIn.Outcome.BLOCKED if refusal.code == "blocked" else SignIn.Outcome.FAILED


def _lock(name_digest: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"sign-in:{name_digest}"])


def _mark_sign_in(state: str) -> None:
    """For the rest of the transaction, or until it is marked otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('countinghouse.sign_in', %s, true)", [state])


def _is_blocked(attempt: SignIn) -> bool:
    recent = SignIn.objects.filter(at__gte=timezone.now() - WINDOW)
    # A success clears the failures before it.
    by_name = recent.filter(name_digest=attempt.name_digest)
    last_success = by_name.filter(outcome=SignIn.Outcome.OK).order_by("-id").first()
    if last_success is not None:
        by_name = by_name.filter(id__gt=last_success.pk)
    if by_name.filter(outcome=SignIn.Outcome.FAILED).count() >= MAX_FAILURES_PER_NAME:
        return True
    by_address = recent.filter(address=attempt.address, outcome=SignIn.Outcome.FAILED)
    return attempt.address is not None and by_address.count() >= MAX_FAILURES_PER_ADDRESS


def _record(attempt: SignIn, name: str) -> None:
    attempt.user = get_user_model().objects.filter(username=name).first()
    attempt.save(force_insert=True)
    staff = attempt.user.pk if attempt.user else None
    write = log.info if attempt.outcome == SignIn.Outcome.OK else log.warning
    write("staff_sign_in", outcome=str(attempt.outcome), staff=staff, address=attempt.address)


def _address(request: Any) -> str | None:
    """The client's address; None for a Unix socket."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None
