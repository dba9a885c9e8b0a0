"""What commands of manage.py have in common."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.tenants.errors import DomainError
from kernel.tenants.messages import message_for_operator


class DomainCommand(BaseCommand):
    """A command that services may refuse: the operator reads their error in words, without a traceback."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(message_for_operator(error)) from error
