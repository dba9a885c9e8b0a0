"""Tenants, whose ledgers this service stores, their API keys, and which tenants a member of staff may see."""

import hashlib
import hmac
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7


class Tenant(models.Model):
    """A company with ledgers of its own. A parent may act for its children (the On-Behalf-Of header), not the other way round."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=80)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    # ISO 4217. The currency of amounts for which the caller names none.
    currency = models.CharField(max_length=3, default="USD")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["slug"], name="tenants_tenant_slug_key"),
            models.CheckConstraint(condition=models.Q(currency__regex=r"^[A-Z]{3}$"), name="tenants_tenant_currency_check"),
            models.CheckConstraint(condition=~models.Q(parent=models.F("id")), name="tenants_tenant_parent_check"),
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(models.Model):
    """A secret that authenticates a tenant. Only its SHA-256 is stored: it has 256 random bits, so a slow hash would add nothing.

    `prefix` is public: it finds the row, names the key in logs and serves as clientId where a caller uses Basic authentication.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(max_length=16)
    secret_digest = models.BinaryField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=32))
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    # Written at most once a minute: an update in every request would make the row a bottleneck.
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=128)

    class Meta:
        ordering = ["-id"]
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = [models.UniqueConstraint(fields=["prefix"], name="tenants_apikey_prefix_key")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def has_secret(self, secret: str) -> bool:
        """Whether `secret` is this key's. Compares in constant time."""
        return hmac.compare_digest(hashlib.sha256(secret.encode()).digest(), bytes(self.secret_digest))


def check_time_zone(name: str) -> None:
    """Raises ValidationError if the name isn't in the time zone database."""
    if name not in available_timezones():
        raise ValidationError("%(name)s is no time zone; the names are like Europe/Berlin.", params={"name": name})


class StaffProfile(models.Model):
    """The time zone of a member of staff, and whether they see all tenants or those of StaffTenant. Without a row: UTC and none.

    A superuser sees all tenants.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="profile")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    sees_all_tenants = models.BooleanField(default=False, help_text="Off: only the tenants listed below, on every page, search and export.")

    def __str__(self) -> str:
        return f"Profile of {self.user}"


class StaffTenant(models.Model):
    """A tenant that a member of staff may see if their profile doesn't see all."""

    profile = models.ForeignKey(StaffProfile, models.CASCADE, related_name="tenant_limits")
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["profile", "tenant"], name="tenants_stafftenant_key")]

    def __str__(self) -> str:
        return f"{self.profile}: {self.tenant}"
