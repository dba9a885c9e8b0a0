"""Which caller an API key belongs to, and the child tenant that it acts for: looked up in the database, with a cache of a few seconds.

kernel/api/authentication.py reads the key out of a request.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from kernel.base.caches import TimedCache
from kernel.tenants import selectors
from kernel.tenants.errors import NotAuthenticated, NotAuthorized
from kernel.tenants.models import ApiKey, Tenant

KEY_PREFIX = "ch_"
# Callers by key, and the child tenants that a caller acts for. A wrong key is never stored, so guesses can't evict good keys.
_authentication_cache = TimedCache(at_most=10_000)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: its tenant, its key and what the key allows. `currency` is the tenant's own (ISO 4217)."""

    tenant_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    actor: str
    currency: str
    expires_at: datetime | None = None
    # The ids as text, for each request's line in the log: a UUID makes its text anew each time.
    tenant_text: str = field(init=False)
    key_text: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tenant_text", str(self.tenant_id))
        object.__setattr__(self, "key_text", str(self.key_id))


def caller_of_key(token: str) -> Caller:
    """The caller whose key this is, in the form `ch_<prefix>_<secret>`. Raises NotAuthenticated."""
    prefix, separator, secret = token.removeprefix(KEY_PREFIX).partition("_")
    if not token.startswith(KEY_PREFIX) or not separator:
        raise NotAuthenticated
    return caller_of_key_pair(prefix, secret)


def caller_of_key_pair(client_id: str, secret: str) -> Caller:
    """The caller with this clientId and clientSecret. A cached key costs no query. Raises NotAuthenticated."""
    if not (client_id.isascii() and client_id.isalnum() and secret.isascii() and secret.isalnum()):
        raise NotAuthenticated
    caller: Caller = _authentication_cache.get(
        (client_id, secret), seconds=settings.API_KEY_CACHE_SECONDS, load=lambda: _load_caller(prefix=client_id, secret=secret)
    )
    if caller.expires_at is not None and caller.expires_at <= timezone.now():
        raise NotAuthenticated
    return caller


def act_for(caller: Caller, tenant_id: str) -> Caller:
    """The same caller, acting for `tenant_id`: its own tenant or a child of it. Raises NotAuthorized."""
    if tenant_id == caller.tenant_text:
        return caller
    child: Tenant = _authentication_cache.get(
        (caller.tenant_id, tenant_id), seconds=settings.API_KEY_CACHE_SECONDS, load=lambda: _load_child(caller=caller, tenant_id=tenant_id)
    )
    return replace(caller, tenant_id=child.id, currency=child.currency)


def clear_key_cache() -> None:
    """Empties this process's cache: after a change of a tenant or a key. Other processes notice within API_KEY_CACHE_SECONDS."""
    _authentication_cache.clear()


def _load_caller(*, prefix: str, secret: str) -> Caller:
    key = selectors.find_key(prefix=prefix)
    now = timezone.now()
    if key is None or not key.has_secret(secret) or key.revoked_at is not None or not key.tenant.is_active:
        raise NotAuthenticated
    if key.expires_at is not None and key.expires_at <= now:
        raise NotAuthenticated
    if key.last_used_at is None or key.last_used_at < now - timedelta(minutes=1):
        ApiKey.objects.filter(id=key.id).update(last_used_at=now)
    return Caller(
        tenant_id=key.tenant_id,
        key_id=key.id,
        scopes=frozenset(key.scopes),
        actor=f"api_key:{key.id}",
        currency=key.tenant.currency,
        expires_at=key.expires_at,
    )


def _load_child(*, caller: Caller, tenant_id: str) -> Tenant:
    child = selectors.find_child(parent_id=caller.tenant_id, tenant_id=tenant_id)
    if child is None:
        raise NotAuthorized(account=tenant_id)
    return child
