"""Domain errors. An error carries a code and facts; the words and the HTTP status belong to each API's dialect."""

from typing import Any


class DomainError(Exception):
    """The base of every error that a service raises on purpose: `code` names it, `facts` are its details. No sentence, no HTTP status."""

    code = "refused"

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code, facts)
        self.facts = facts

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.code} ({facts})" if facts else self.code


class NotAuthenticated(DomainError):
    """No key, or one that is unknown, expired or revoked. The caller can't tell these apart."""

    code = "not_authenticated"


class NotAuthorized(DomainError):
    """The key is valid, but not for this tenant. A tenant that doesn't exist gives the same error."""

    code = "not_authorized"


class TenantNotFound(DomainError):
    code = "tenant_not_found"


class ApiKeyNotFound(DomainError):
    code = "api_key_not_found"


class KeyExists(DomainError):
    """A key with this id exists: the form that makes it was submitted twice. Facts: id."""

    code = "key_exists"


class TenantExists(DomainError):
    code = "tenant_exists"


class UnknownScope(DomainError):
    code = "unknown_scope"


class UnknownCurrency(DomainError):
    code = "unknown_currency"


class InvalidSlug(DomainError):
    """The slug isn't 1 to 80 lower-case ASCII letters, digits and hyphens."""

    code = "invalid_slug"
