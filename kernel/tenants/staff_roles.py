"""The roles of staff: groups that a migration creates, whose rights are the rules below.

Rules are used instead of permission rows, so that a new model is readable by every viewer without further work.
"""

from typing import Any

from django.contrib.auth.backends import BaseBackend

VIEWER, CLERK, APPROVER, OPERATOR = ROLES = ("viewer", "clerk", "approver", "operator")
# Apps that only superusers see: accounts and rights of staff, and tables that belong to no tenant.
SUPERUSER_APPS = {"auth", "admin", "contenttypes", "sessions", "procrastinate"}
# Models of other apps that only superusers see: which tenants each member of staff sees.
SUPERUSER_MODELS = {"tenants.staffprofile", "tenants.stafftenant"}
# The first word of a permission's codename, and the roles that have it for every model of the other apps. That nobody decides their own
# request is a rule of each request: kernel/corrections/services.py, kernel/backfills.
RIGHTS = {
    "view": {VIEWER, CLERK, APPROVER, OPERATOR},
    "export": {VIEWER, CLERK, APPROVER, OPERATOR},
    "comment": {CLERK, APPROVER},
    # Ask for a correction, or for a file of past rows to be posted.
    "request": {CLERK},
    # Approve or reject: corrections, uploads, metered calls that wait for a decision, and releases of payments.
    "decide": {APPROVER},
    # Change settings: policies, prices, rules, webhook endpoints, API keys.
    "manage": {OPERATOR},
    # See the secret of a webhook endpoint.
    "reveal": {OPERATOR},
}


class RoleBackend(BaseBackend):
    """An authentication backend that grants the rights of roles, in addition to Django's own permissions."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        app_label, _, codename = perm.partition(".")
        right, _, model_name = codename.partition("_")
        if app_label in SUPERUSER_APPS or f"{app_label}.{model_name}" in SUPERUSER_MODELS:
            return False
        return bool(RIGHTS.get(right, set()) & roles_of(user_obj))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return app_label not in SUPERUSER_APPS and bool(roles_of(user_obj))


def roles_of(user: Any) -> set[str]:
    """The user's roles, cached on the user object, which exists for one request. An inactive user has none."""
    if not (user.is_active and user.is_staff):
        return set()
    if not hasattr(user, "_roles"):
        user._roles = set(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
    roles: set[str] = user._roles
    return roles
