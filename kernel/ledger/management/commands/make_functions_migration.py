"""manage.py make_functions_migration [APP ...] [--in-place | --check]"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.ledger.database_functions.function_versions import VersionError, apps_with_functions, problems, renew_newest, write_next


class Command(BaseCommand):
    help = "Writes the migration that installs an app's database functions as they are in its sql folder."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("apps", nargs="*", metavar="APP", help="default: every app whose files changed")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--in-place", action="store_true", help="renew the newest version, which isn't released yet")
        how.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file changed without a newer version")

    def handle(self, *args: Any, **options: Any) -> None:
        labels = options["apps"] or apps_with_functions()
        if unknown := sorted(set(labels) - set(apps_with_functions())):
            raise CommandError(f"No app with a sql folder: {', '.join(unknown)}. There are: {', '.join(apps_with_functions())}.")
        changed = {label: found for label in labels if (found := problems(label))}
        if options["check"] and changed:
            raise CommandError("\n".join(sentence for found in changed.values() for sentence in found))
        try:
            for label in [] if options["check"] else changed:
                path = renew_newest(label) if options["in_place"] else write_next(label)
                self.stdout.write(f"Wrote {path}")
        except VersionError as error:
            raise CommandError(str(error)) from error
        if not changed:
            self.stdout.write("The database functions of the newest versions are those of the sql folders.")
