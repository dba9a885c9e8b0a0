"""Members of staff for tests, each with a browser of their own."""

from django.contrib.auth.models import Group, User
from django.test import Client

from kernel.tenants.models import StaffProfile, StaffTenant

PASSWORD = "a-long-password"


def employ(name, *roles, tenants=None, **more):
    """A member of staff in these roles; `tenants`: the only ones they see, by default all."""
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True, **more)
    user.groups.set(Group.objects.filter(name__in=roles))
    profile = StaffProfile.objects.create(user=user, sees_all_tenants=tenants is None)
    StaffTenant.objects.bulk_create(StaffTenant(profile=profile, tenant=tenant) for tenant in tenants or [])
    return user


def log_in(user):
    client = Client()
    client.force_login(user)
    return client
