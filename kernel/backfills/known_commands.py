"""The commands of backfills that the installed apps have, with their adapters."""

from functools import cache

from django.core.management import get_commands, load_command_class

from kernel.backfills.adapters import Adapter
from kernel.backfills.command import BackfillCommand
from kernel.backfills.errors import BadSource


@cache
def known_adapters() -> dict[str, Adapter]:
    """The adapter of each command, by the command's name."""
    named = {name: app for name, app in sorted(get_commands().items()) if name.startswith("backfill_")}
    commands = {name: load_command_class(str(app), name) for name, app in named.items()}
    return {name: command.adapter for name, command in commands.items() if isinstance(command, BackfillCommand)}


def adapter_of(command: str) -> Adapter:
    """Raises BadSource for a command that no app has."""
    adapters = known_adapters()
    if command not in adapters:
        raise BadSource(f"There is no command {command}. Known: {', '.join(adapters)}.")
    return adapters[command]


def title_of(command: str) -> str:
    """What the rows of a command are, for people."""
    adapters = known_adapters()
    return adapters[command].noun.capitalize() if command in adapters else command
