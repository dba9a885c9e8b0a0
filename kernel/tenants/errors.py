"""Errors of tenants, API keys and scopes."""

from kernel.base.errors import DomainError


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
