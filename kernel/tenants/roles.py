"""What a member of staff may do, by the groups they are in. The groups are made by a migration; their rights are these rules.

Rules rather than rows of permissions: a model that is added tomorrow is readable by every viewer tomorrow, and nobody has to remember it.
"""

from typing import Any

from django.contrib.auth.backends import BaseBackend

VIEWER, CLERK, APPROVER, OPERATOR = ROLES = ("viewer", "clerk", "approver", "operator")
# Accounts and rights of staff themselves, and the machinery, which knows no tenants: only superusers see them.
CLOSED = {"auth", "admin", "contenttypes", "sessions", "procrastinate"}
# The first word of a permission's codename, and the roles that have it for every model outside CLOSED.
RIGHTS = {
    "view": {VIEWER, CLERK, APPROVER, OPERATOR},
    "export": {VIEWER, CLERK, APPROVER, OPERATOR},
    "comment": {CLERK, APPROVER},
    "ask": {CLERK},
    "decide": {APPROVER},
    "manage": {OPERATOR},
}


class RoleBackend(BaseBackend):
    """Answers for the roles; whatever Django's own permissions give is given besides."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        app_label, _, codename = perm.partition(".")
        roles = RIGHTS.get(codename.partition("_")[0], set())
        return app_label not in CLOSED and bool(roles & roles_of(user_obj))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return app_label not in CLOSED and bool(roles_of(user_obj))


def roles_of(user: Any) -> set[str]:
    """The user's roles, read once for each request; none for one who has left."""
    if not (user.is_active and user.is_staff):
        return set()
    if not hasattr(user, "_roles"):
        user._roles = set(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
    found: set[str] = user._roles
    return found
