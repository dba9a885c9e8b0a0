"""Creates and changes tenants, API keys and which tenants a member of staff sees."""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError
from django.utils import timezone
from iso4217 import Currency
from uuid_utils.compat import uuid7

from kernel.base.setting_author import setting_author
from kernel.tenants import selectors
from kernel.tenants.callers import KEY_PREFIX, clear_key_cache
from kernel.tenants.errors import (
    ApiKeyNotFound,
    InvalidSlug,
    KeyExists,
    TenantExists,
    UnknownCurrency,
    UnknownScope,
)
from kernel.tenants.models import ApiKey, StaffProfile, StaffTenant, Tenant
from kernel.tenants.scopes import all_scopes

PREFIX_BYTES = 6
SECRET_BYTES = 32
# Called in the transaction in which a key was created or revoked, with the key and which of the two it was. Apps above this one register.
_key_listeners: list[Callable[[ApiKey, str], None]] = []


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
    clear_key_cache()
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
    clear_key_cache()
    return key


def register_key_listener(listener: Callable[[ApiKey, str], None]) -> None:
    """Have a function called for each key that is `created` or `revoked`, in the same transaction."""
    _key_listeners.append(listener)


def _report(key: ApiKey, change: str) -> None:
    for listener in _key_listeners:
        listener(key, change)


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
