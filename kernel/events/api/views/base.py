"""What the views of the webhooks API share."""

from uuid import UUID

from kernel.api.views import LedgerViewSet
from kernel.events import ids
from kernel.events.api.dialect import dialect
from kernel.ledger.errors import NotFound


class WebhooksViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "webhooks"


def endpoint_id_of(reference: str) -> UUID:
    """The id in an address. Raises NotFound for what can't be one."""
    return _parsed(reference, ids.ENDPOINT, kind="endpoint")


def delivery_id_of(reference: str) -> UUID:
    return _parsed(reference, ids.DELIVERY, kind="delivery")


def event_id_of(reference: str) -> UUID:
    return _parsed(reference, ids.EVENT, kind="event")


def _parsed(reference: str, prefix: str, *, kind: str) -> UUID:
    try:
        return ids.parse_ref(reference, prefix)
    except ValueError as error:
        raise NotFound(kind=kind, id=reference) from error
