"""Values as the JSON of postings and callers have them as text: digests, and ids of grants."""

from uuid import UUID

from credits.errors import GrantNotFound


def digest_to_json(digest: bytes) -> str:
    """A digest in the text form from which PostgreSQL reads a bytea."""
    return f"\\x{digest.hex()}"


def digest_from_json(text: str | None) -> bytes | None:
    """The inverse of `digest_to_json`."""
    return None if text is None else bytes.fromhex(text[2:])


def grant_uuid(grant_id: UUID | str) -> UUID:
    """A grant's id from the caller's text. Raises GrantNotFound if it isn't a UUID: no grant has such an id."""
    if isinstance(grant_id, UUID):
        return grant_id
    try:
        return UUID(grant_id)
    except ValueError as error:
        raise GrantNotFound(grant_id=grant_id) from error
