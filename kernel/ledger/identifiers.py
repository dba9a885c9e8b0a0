"""Identity of every ledger row: UUIDv7, made by the application, so that ids sort by the time they were made."""

from uuid import UUID

from uuid_utils import uuid7 as native
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    return uuid7()


def new_id_text() -> str:
    """As text, for a posting that is only sent to the database: making it takes an eighth of the time of a UUID object."""
    return str(native())
