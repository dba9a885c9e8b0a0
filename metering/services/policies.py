"""How a tenant's transactions are decided and closed."""

from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue
from metering.models import Policy


@translate_db_errors
def set_policy(
    *, tenant_id: UUID, actor: str, request_id: str, authorizes_at_once: bool = True, stale_after: timedelta | None = None
) -> None:
    """Set the whole policy of a tenant. `stale_after` None: nothing is closed by itself. Raises InvalidValue."""
    if stale_after is not None and stale_after <= timedelta(0):
        raise InvalidValue(field="stale_after", reason="not_positive")
    facts = {"authorizes_at_once": authorizes_at_once, "stale_after": stale_after, "actor": actor, "updated_at": Now()}
    Policy.objects.update_or_create(tenant_id=tenant_id, defaults=facts)
