"""What the holds of the ledgers have in common: their statuses, and the errors of the calls that change them."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models import BooleanField, DateTimeField, Expression, ExpressionWrapper, Q
from django.db.models.expressions import RawSQL
from django.utils import timezone

from kernel.ledger.errors import InvalidValue, LedgerError

# Ten years: the longest time that a policy may give a hold.
MAX_HOLD_SECONDS = 315_360_000


class HoldStatus(models.TextChoices):
    """A hold's status. An `active` hold may be past `expires_at` until it is ended; it reserves nothing, and is shown as expired."""

    ACTIVE = "active", "Active"
    CAPTURED = "captured", "Captured"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


# The database's clock: what a list shows as overdue is decided as by a posting. A subquery, so that it is asked once for all rows.
NOW = RawSQL("(SELECT ledger_now())", (), output_field=DateTimeField())
# Conditions on the rows of holds. An overdue hold reserves nothing, though nothing has ended it yet.
OPEN = Q(status=HoldStatus.ACTIVE, expires_at__gt=NOW)
OVERDUE = Q(status=HoldStatus.ACTIVE, expires_at__lte=NOW)
IS_OVERDUE = ExpressionWrapper(OVERDUE, output_field=BooleanField())


def status_now(hold: Any) -> HoldStatus:
    """The status of a hold's row at this moment: an overdue one is expired, though its job may not have run yet."""
    is_overdue = hold.status == HoldStatus.ACTIVE and hold.expires_at <= timezone.now()
    return HoldStatus.EXPIRED if is_overdue else HoldStatus(hold.status)


def set_live_held(accounts: Sequence[Any], held_now: Expression) -> None:
    """Set `held` of wallets or grants to what holds reserve now, without overdue ones. Queries only if something is held.

    `held_now`: this amount, in a query of their model.
    """
    held = [account for account in accounts if account.held]
    if held:
        rows = type(held[0]).objects.filter(tenant_id__in={account.tenant_id for account in held}, id__in=[account.id for account in held])
        live = dict(rows.order_by().values_list("id", held_now))
        for account in held:
            account.held = live[account.id]


class HoldClosed(LedgerError):
    """A capture, release or extension of a hold that ended another way. Facts: hold_id, status."""

    code = "hold_closed"


class HoldExceeded(LedgerError):
    """A capture of more than the hold reserves. Facts: hold_id, held, requested."""

    code = "hold_exceeded"


def check_longest_hold(seconds: int | None) -> None:
    """Whether a policy may limit holds to so many seconds; None is no limit. Raises InvalidValue."""
    if seconds is not None and seconds < 1:
        raise InvalidValue(field="longest_hold_seconds", reason="too_small", value=seconds, min=1)
    if seconds is not None and seconds > MAX_HOLD_SECONDS:
        raise InvalidValue(field="longest_hold_seconds", reason="too_large", value=seconds, max=MAX_HOLD_SECONDS)
