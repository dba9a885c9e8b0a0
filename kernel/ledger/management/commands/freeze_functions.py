"""manage.py freeze_functions: at a release."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.ledger.database_functions.function_versions import VersionError, apps_with_functions, freeze


class Command(BaseCommand):
    help = "Copies each app's sql files to sql/frozen/v<N> for its newest version, so that a released migration never changes."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            frozen = [folder for label in apps_with_functions() if (folder := freeze(label))]
        except VersionError as error:
            raise CommandError(str(error)) from error
        for folder in frozen:
            self.stdout.write(f"Wrote {folder}")
        if not frozen:
            self.stdout.write("Every newest version is frozen already.")
