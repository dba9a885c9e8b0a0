"""Tenants and keys for tests, made by the services themselves: no test row is one that production could not make."""

from typing import Any

import factory

from kernel.tenants import services
from kernel.tenants.models import Tenant
from kernel.tenants.scopes import all_scopes
from kernel.tenants.services import IssuedKey


class TenantFactory(factory.Factory):
    class Meta:
        model = Tenant

    slug = factory.Sequence(lambda number: f"tenant-{number}")
    name = factory.LazyAttribute(lambda tenant: tenant.slug.title())
    currency = "USD"
    actor = "command:test"

    @classmethod
    def _create(cls, model_class: type[Tenant], *args: Any, **kwargs: Any) -> Tenant:
        return services.create_tenant(**kwargs)


class IssuedKeyFactory(factory.Factory):
    """A fresh key with its secret; `tenant` is made unless given."""

    class Meta:
        model = IssuedKey

    tenant = factory.SubFactory(TenantFactory)
    name = "test"
    scopes = factory.LazyFunction(all_scopes)
    expires_at = None
    actor = "command:test"

    @classmethod
    def _create(cls, model_class: type[IssuedKey], *args: Any, **kwargs: Any) -> IssuedKey:
        return services.create_api_key(**kwargs)
