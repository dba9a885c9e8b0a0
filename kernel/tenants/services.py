"""Creates and changes tenants and API keys, and authenticates callers."""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from iso4217 import Currency
from uuid_utils.compat import uuid7

from kernel.base.caches import TimedCache
from kernel.base.setting_author import setting_author
from kernel.tenants import selectors
from kernel.tenants.errors import (
    ApiKeyNotFound,
    InvalidSlug,
    KeyExists,
    NotAuthenticated,
    NotAuthorized,
    TenantExists,
    UnknownCurrency,
    UnknownScope,
)
from kernel.tenants.models import ApiKey, StaffProfile, StaffTenant, Tenant
from kernel.tenants.scopes import all_scopes

KEY_PREFIX = "ch_"
PREFIX_BYTES = 6
SECRET_BYTES = 32
# Callers by key, and the child tenants that a caller acts for. A wrong key is never stored, so guesses can't evict good keys.
_authentication_cache = TimedCache(at_most=10_000)
# Called in the transaction in which a key was created or revoked, with the key and which of the two it was. Apps above this one register.
_key_listeners: list[Callable[[ApiKey, str], None]] = []


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


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its secret, which is stored nowhere and can't be read again. Callers may send the key in three forms."""

    key: ApiKey
    secret: str

    @property
    def token(self) -> str:
        """For `Authorization: Bearer` and `x-api-key`."""
        return f"{KEY_PREFIX}{self.key.prefix}_{self.secret}"

    @property
    def basic(self) -> str:
        """clientId:clientSecret, for Basic authentication before base64."""
        return f"{self.key.prefix}:{self.secret}"


def create_tenant(
    *,
    actor: str,
    request_id: str = "",
    name: str,
    slug: str,
    currency: str = "USD",
    parent: Tenant | None = None,
    tenant_id: UUID | None = None,
) -> Tenant:
    """A new tenant. `currency`: ISO 4217, upper case. Raises TenantExists (slug or id taken), InvalidSlug, UnknownCurrency."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,79}", slug):
        raise InvalidSlug(slug=slug)
    if currency != currency.upper() or currency.lower() not in Currency.__members__:
        raise UnknownCurrency(currency=currency)
    given = {} if tenant_id is None else {"id": tenant_id}
    try:
        with setting_author(actor=actor, request_id=request_id):
            return Tenant.objects.create(name=name, slug=slug, currency=currency, parent=parent, **given)
    except IntegrityError as error:
        raise TenantExists(slug=slug) from error


def change_tenant(*, tenant: Tenant, actor: str, request_id: str = "", name: str, is_active: bool) -> Tenant:
    """Renames a tenant, or switches its keys off and on; other processes notice within API_KEY_CACHE_SECONDS."""
    tenant.name, tenant.is_active = name, is_active
    with setting_author(actor=actor, request_id=request_id):
        tenant.save(update_fields=["name", "is_active"])
    _authentication_cache.clear()
    return tenant


def create_api_key(
    *,
    tenant: Tenant,
    name: str,
    actor: str,
    request_id: str = "",
    scopes: Iterable[str],
    expires_at: datetime | None,
    key_id: UUID | None = None,
) -> IssuedKey:
    """A new key for a tenant. The secret is in the result and stored nowhere. `expires_at` None: it never expires.

    `key_id`: the id of the new key, chosen when its form was shown. Raises UnknownScope; KeyExists if that form made its key already.
    """
    wanted, known = sorted(set(scopes)), all_scopes()
    if unknown := [scope for scope in wanted if scope not in known]:
        raise UnknownScope(scopes=unknown, known=list(known))
    # Hexadecimal: no character has a meaning in a header, a shell or a colon-separated pair.
    prefix, secret = secrets.token_hex(PREFIX_BYTES), secrets.token_hex(SECRET_BYTES)
    key = ApiKey(
        id=key_id or uuid7(),
        tenant=tenant,
        name=name,
        prefix=prefix,
        secret_digest=hashlib.sha256(secret.encode()).digest(),
        scopes=wanted,
        expires_at=expires_at,
        created_by=actor,
    )
    try:
        with setting_author(actor=actor, request_id=request_id):
            key.save(force_insert=True)
            _report(key, "created")
    except IntegrityError as error:
        if key_id is None:
            raise
        raise KeyExists(id=key_id) from error
    return IssuedKey(key=key, secret=secret)


def revoke_api_key(*, prefix: str, actor: str, request_id: str = "") -> ApiKey:
    """Revokes a key for good; other processes notice within API_KEY_CACHE_SECONDS. Revoking twice is no error. Raises ApiKeyNotFound."""
    key = selectors.find_key(prefix=prefix)
    if key is None:
        raise ApiKeyNotFound(prefix=prefix)
    if key.revoked_at is None:
        key.revoked_at = timezone.now()
        with setting_author(actor=actor, request_id=request_id):
            key.save(update_fields=["revoked_at"])
            _report(key, "revoked")
    _authentication_cache.clear()
    return key


def register_key_listener(listener: Callable[[ApiKey, str], None]) -> None:
    """Have a function called for each key that is `created` or `revoked`, in the same transaction."""
    _key_listeners.append(listener)


def _report(key: ApiKey, change: str) -> None:
    for listener in _key_listeners:
        listener(key, change)


def authenticate(token: str) -> Caller:
    """The caller whose key this is, in the form `ch_<prefix>_<secret>`. Raises NotAuthenticated."""
    prefix, separator, secret = token.removeprefix(KEY_PREFIX).partition("_")
    if not token.startswith(KEY_PREFIX) or not separator:
        raise NotAuthenticated
    return authenticate_pair(prefix, secret)


def authenticate_pair(client_id: str, secret: str) -> Caller:
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
    """Empties this process's cache: for tests."""
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


def set_staff_tenants(*, user_id: int, actor: str, request_id: str = "", sees_all: bool, tenant_ids: Iterable[UUID] = ()) -> StaffProfile:
    """Which tenants a member of staff sees: all, or these alone."""
    with setting_author(actor=actor, request_id=request_id):
        profile, _ = StaffProfile.objects.update_or_create(user_id=user_id, defaults={"sees_all_tenants": sees_all})
        wanted = set() if sees_all else set(tenant_ids)
        limits = StaffTenant.objects.filter(profile=profile)
        limits.exclude(tenant_id__in=wanted).delete()
        known = set(limits.values_list("tenant_id", flat=True))
        StaffTenant.objects.bulk_create(StaffTenant(profile=profile, tenant_id=tenant_id) for tenant_id in wanted - known)
    return profile
