"""A tenant's catalogue of transaction types. The history of settings records who changed it."""

from uuid import UUID

from billing.choices import TYPE_LENGTH, Direction
from billing.errors import DirectionInUse
from billing.models import Transaction, TransactionType
from kernel.base.setting_author import setting_author
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue


@translate_db_errors
def define_type(*, tenant_id: UUID, actor: str, request_id: str, code: str, label: str, direction: str) -> TransactionType:
    """Put a type in the tenant's catalogue, or change its label; its direction only as long as no transaction uses it.

    Raises DirectionInUse, InvalidValue.
    """
    if not code or len(code) > TYPE_LENGTH or "\x00" in code:
        raise InvalidValue(field="code", reason="too_long" if code else "too_short", value=code, max=TYPE_LENGTH, min=1)
    if direction not in Direction.values:
        raise InvalidValue(field="direction", reason="unknown_choice", value=direction, choices=Direction.values)
    with setting_author(actor=actor, request_id=request_id):
        # The insertion waits for a posting that adds the same type, so what comes after it sees that one too.
        defined, is_new = TransactionType.objects.get_or_create(
            tenant_id=tenant_id, code=code, defaults={"label": label or code, "direction": direction, "created_by": actor}
        )
        if is_new:
            return defined
        # The row's lock waits for postings that use the type and aren't committed: their foreign key locks it. So the look at the
        # transactions after it sees them all, and the foreign key refuses any that come later.
        defined = TransactionType.objects.select_for_update().get(id=defined.id, tenant_id=tenant_id)
        if defined.direction != direction and Transaction.objects.filter(tenant_id=tenant_id, type=code).exists():
            raise DirectionInUse(type=code, direction=defined.direction)
        defined.label, defined.direction, defined.is_catalogued = label or code, direction, True
        defined.save(update_fields=["label", "direction", "is_catalogued"])
    return defined
