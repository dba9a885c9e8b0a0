"""Members of staff for tests, each with a browser of their own."""

from django.contrib.auth.models import Group, User
from django.test import Client

from kernel.tenants.models import StaffProfile, StaffTenant

PASSWORD = "a-long-password"


def employ(name, *roles, tenants=None, **more):
    """A member of staff in these roles; `tenants`: the only ones they see."""
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True, **more)
    user.groups.set(Group.objects.filter(name__in=roles))
    if tenants is not None:
        profile = StaffProfile.objects.create(user=user, sees_all_tenants=False)
        StaffTenant.objects.bulk_create(StaffTenant(profile=profile, tenant=tenant) for tenant in tenants)
    return user


def log_in(user):
    client = Client()
    client.force_login(user)
    return client
