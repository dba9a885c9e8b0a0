"""What commands of manage.py have in common."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.base.error_messages import message_for_operator
from kernel.base.errors import DomainError


def amount_or_none(text: str) -> Decimal | None:
    """An amount, or `none`. Raises ValueError."""
    if text.lower() == "none":
        return None
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error


def seconds_or_none(text: str) -> int | None:
    """A number of seconds, or `none`. Raises ValueError."""
    return None if text.lower() == "none" else int(text)


class DomainCommand(BaseCommand):
    """A command that services may refuse: the operator reads their error in words, without a traceback."""

    refused_returncode = 1

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except DomainError as error:
            raise CommandError(message_for_operator(error), returncode=self.refused_returncode) from error
