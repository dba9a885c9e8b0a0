"""Sets up, serves, sends the published example requests, and waits for Ctrl-C."""

import argparse
import base64
import contextlib
import fcntl
import io
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from config.local import postgres
from config.local.demo import calls, server
from config.local.demo.server import DemoError
from config.local.folders import VAR, LocalPostgresError, locate

ENV_FILE = VAR / "demo.env"
KEY_FILE = VAR / "demo.webhook_signing_key"
DEFAULT_PORT = "8000"


def main() -> None:
    arguments = read_arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        run(fresh=arguments.fresh)
    except (DemoError, LocalPostgresError) as error:
        sys.exit(f"bin/demo: {error}")
    except PermissionError as error:
        sys.exit(f"bin/demo: no permission for {error.filename}: run this as the user who owns the checkout.")
    except KeyboardInterrupt:
        print_line("\nStopped; the data is kept for the next run.")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/demo", description="Run Countinghouse on this machine and send it three real requests.")
    parser.add_argument("--fresh", action="store_true", help="delete the demo's data and start over")
    return parser.parse_args()


def interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(*, fresh: bool) -> None:
    port = read_port()
    postgres.make_var()
    with only_demo():
        server.stop_leftovers(VAR)
        server.require_free(port)
        if fresh:
            start_over()
        is_foreign = bool(os.environ.get("DATABASE_URL"))
        print_line("Using the PostgreSQL in DATABASE_URL ..." if is_foreign else "Starting PostgreSQL ...")
        database_url = postgres.ensure_running()
        os.environ.setdefault("WEBHOOK_SIGNING_KEY", signing_key())
        environment = prepare(base_url=f"http://127.0.0.1:{port}", is_foreign=is_foreign)
        database = None
        if not is_foreign:
            database = locate(postgres.DEVELOPMENT)
            database_url = database.url("countinghouse", role=postgres.SERVICE_ROLE)
        with server.serving(port=port, var=VAR, database_url=database_url) as (web, worker):
            calls.send_examples(environment, say=print_line)
            print_addresses(environment)
            server.watch(web, worker, var=VAR, database=database, say=print_line)


def read_port() -> int:
    text = os.environ.get("PORT") or DEFAULT_PORT
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise DemoError(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


@contextlib.contextmanager
def only_demo() -> Iterator[None]:
    """One demo at a time in a checkout: a second one would use the first one's processes and stop them at its end."""
    lock = postgres.open_lock("demo")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoError("it runs already in this checkout: stop that one first (Ctrl-C), or use it.") from None
    try:
        yield
    finally:
        os.close(lock)


def start_over() -> None:
    if os.environ.get("DATABASE_URL"):
        raise DemoError("--fresh deletes only the local database; DATABASE_URL names another. Unset it, or empty that one yourself.")
    postgres.remove(postgres.DEVELOPMENT)
    ENV_FILE.unlink(missing_ok=True)
    print_line("The demo's data is deleted.")


def signing_key() -> str:
    """The key that the secrets of webhook endpoints are derived from: made by the first run, and used again by the next ones."""
    if not KEY_FILE.exists():
        KEY_FILE.touch(mode=0o600)
        KEY_FILE.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return KEY_FILE.read_text()


def prepare(*, base_url: str, is_foreign: bool) -> dict[str, str]:
    """Migrate as the owner, grant the service's role its rights, create the demo's rows, and write var/demo.env. Returns its values."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command
    from django.db import DatabaseError, connections

    try:
        django.setup()
        call_command("migrate", verbosity=0, interactive=False)
        from config.local.demo import sample_rows

        if not is_foreign:
            call_command("grant_roles", owner=postgres.OWNER_ROLE, service=postgres.SERVICE_ROLE, stdout=io.StringIO())
        environment = {"BASE_URL": base_url, **sample_rows.create_rows(sample_rows.read_environment(ENV_FILE))}
        connections.close_all()
    except ImproperlyConfigured as error:
        raise DemoError(str(error)) from error
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        hint = "look at DATABASE_URL" if is_foreign else "`bin/demo --fresh` starts over with an empty one"
        raise DemoError(f"the database refused: {reason} ({hint})") from error
    sample_rows.write_environment(ENV_FILE, environment)
    return environment


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_addresses(environment: dict[str, str]) -> None:
    base = environment["BASE_URL"]
    print_line(f"""
Countinghouse is running; open:
  {base}/         what this is
  {base}/docs/    every call, to read and to try
  {base}/admin/   the back office: {environment["STAFF_USER"]} / {environment["STAFF_PASSWORD"]}

One key, three forms (all in {Path("var") / ENV_FILE.name}; `. var/demo.env` and go on with curl):
  Authorization: Bearer {environment["API_KEY"]}
  x-api-key: {environment["API_KEY"]}
  Basic (curl -u): {environment["BASIC"]}
  Tenant (On-Behalf-Of): {environment["TENANT_ID"]}

The worker runs the periodic jobs: recurring grants, expiries, holds. Logs: var/demo.log, var/demo.worker.log.
Ctrl-C stops everything and keeps the data.""")


if __name__ == "__main__":
    main()
