"""Lists the profiles of known exports; shows one."""

import shlex
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kernel.backfills.arguments.profiles import Profile, find_profile, shipped_profiles
from kernel.backfills.errors import BadSource
from kernel.backfills.terminal.output import discard_stdout


class Command(BaseCommand):
    help = (
        "List the exports of other systems that a backfill knows; show one, whose file can be copied and changed."
        " Example: manage.py backfill_profiles stripe-balance > mine.toml"
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("profile", nargs="?", help="show this one: its file, which can be copied and changed")
        parser.add_argument("--command", action="store_true", help="show its options as a command line instead")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if not options["profile"]:
                self._list(shipped_profiles())
            elif options["command"]:
                profile = find_profile(options["profile"])
                for variant in profile.variants:
                    self.stdout.write(f"manage.py {profile.command} TENANT FILE --plan {shlex.join(variant.arguments)}")
            else:
                self.stdout.write(find_profile(options["profile"]).path.read_text(), ending="")
            self.stdout.flush()
        except BadSource as error:
            raise CommandError(str(error), returncode=3) from error
        except BrokenPipeError as error:
            discard_stdout()
            raise CommandError("Standard output was closed.", returncode=3) from error

    def _list(self, profiles: list[Profile]) -> None:
        width = max(len(profile.name) for profile in profiles)
        for profile in profiles:
            self.stdout.write(f"{profile.name:<{width}}  {profile.command:<31}  {profile.title}")
