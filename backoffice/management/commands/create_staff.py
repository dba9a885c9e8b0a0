"""Creates a staff account with a random password, which is printed once. This is how the first member of staff is made."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import transaction

from kernel.base.commands import DomainCommand
from kernel.base.setting_author import setting_author
from kernel.tenants import selectors
from kernel.tenants.services import set_staff_tenants
from kernel.tenants.staff_roles import ROLES

ACTOR = "command:create_staff"
PASSWORD_BYTES = 15


class Command(DomainCommand):
    help = (
        "Create a staff account for the back office and print its password once."
        " Example: manage.py create_staff olga --role operator --role viewer --tenant acme; the first account: --superuser"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="the name to sign in with")
        rights = parser.add_mutually_exclusive_group(required=True)
        rights.add_argument("--role", action="append", choices=ROLES, help="a role, repeatable")
        rights.add_argument("--superuser", action="store_true", help="may do everything, also make staff accounts")
        parser.add_argument("--first-name", default="", help="shown beside what the person does")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--tenant", action="append", default=[], help="slug or id of a tenant that the person may see, repeatable")
        parser.add_argument("--all-tenants", action="store_true", help="the person may see every tenant, also later ones")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["superuser"] and (options["tenant"] or options["all_tenants"]):
            raise CommandError("A superuser sees all tenants: leave out --tenant and --all-tenants.")
        if options["tenant"] and options["all_tenants"]:
            raise CommandError("Give --tenant or --all-tenants, not both.")
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = get_user_model()(
            username=options["username"],
            first_name=options["first_name"],
            last_name=options["last_name"],
            is_staff=True,
            is_superuser=options["superuser"],
        )
        user.set_password(password)
        try:
            user.full_clean()
            tenants = [selectors.get_tenant(tenant=tenant) for tenant in options["tenant"]]
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        with transaction.atomic(), setting_author(actor=ACTOR):
            user.save()
            user.groups.set(Group.objects.filter(name__in=options["role"] or []))
            if not user.is_superuser:
                ids = [tenant.pk for tenant in tenants]
                set_staff_tenants(user_id=user.pk, actor=ACTOR, sees_all=options["all_tenants"], tenant_ids=ids)
        self.stdout.write(self.style.SUCCESS(f"Created {user.username}: {', '.join(options['role'] or ['superuser'])}."))
        if not (user.is_superuser or tenants or options["all_tenants"]):
            self.stdout.write("Sees no tenant yet: a superuser sets which ones, on the account's page under Staff.")
        self.stdout.write(f"Password, shown only now: {password}")
        self.stdout.write("It can be changed at /admin/password_change/.")
