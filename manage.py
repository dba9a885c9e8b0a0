#!/usr/bin/env python
"""Run a management command; starts the local PostgreSQL first where no DATABASE_URL names another."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.local import postgres

    try:
        postgres.ensure_running()
    except postgres.LocalPostgresError as error:
        sys.exit(str(error))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
