"""System checks on the settings and the database: what would fail silently and cost money stops the process with an id instead.

E001 to E099 hold everywhere, E101 to E199 in production. Those that ask the database run with `check --database default` and `migrate`.
"""

import decimal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

# numeric(38,18) holds 38 digits; a sum of many, and a product of two, need more.
LEAST_PRECISION = 60
LEAST_POSTGRESQL = 150000
MOST_CONNECTIONS = 64
MOST_WARM_SECONDS = 60
GUARDS = (
    "config.middleware.RequestLogMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "config.middleware.OfficeSessionMiddleware",
    "config.middleware.OfficeCsrfMiddleware",
    "config.middleware.OfficeAuthenticationMiddleware",
)


def _error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"countinghouse.E{number:03d}")


@register()
def check_database_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The engine, and how its transactions are used: the ledgers' promises are kept by PostgreSQL, statement by statement."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "django.db.backends.postgresql":
        return [
            _error(
                1,
                f"The database engine is {database['ENGINE']}: elsewhere the ledgers' triggers and row locks do not exist.",
                "Set DATABASE_URL to a postgres:// address, or unset it for the local server.",
            )
        ]
    found = []
    if database.get("ATOMIC_REQUESTS") or not database.get("AUTOCOMMIT", True):
        found.append(
            _error(
                2,
                "Requests run inside a transaction: a posting would be answered before it is committed.",
                "Leave ATOMIC_REQUESTS off and AUTOCOMMIT on; every posting is its own transaction.",
            )
        )
    if "lock_timeout=" not in (options := database.get("OPTIONS", {}).get("options", "")) or "lock_timeout=0" in options:
        found.append(
            _error(
                3,
                "Statements wait for a locked account for ever: one stuck transaction would take every worker with it.",
                "Set DATABASE_LOCK_TIMEOUT_MS to a few thousand milliseconds.",
            )
        )
    return found + _check_connections(database)


def _check_connections(database: dict[str, Any]) -> list[CheckMessage]:
    pool = database.get("OPTIONS", {}).get("pool")
    if isinstance(pool, dict) and not 1 <= pool.get("min_size", 1) <= pool.get("max_size", 1) <= MOST_CONNECTIONS:
        return [
            _error(
                4,
                f"The connection pool's sizes make no sense: {pool}.",
                f"Set DATABASE_POOL_SIZE between 1 and {MOST_CONNECTIONS}; 4 to 8 for each core of the database are fastest.",
            )
        ]
    if not pool and not database.get("CONN_MAX_AGE"):
        return [
            Warning(
                "Every request opens a connection of its own, which halves the throughput.",
                hint="Set DATABASE_POOL_SIZE, or DATABASE_CONNECTION_AGE above 0.",
                id="countinghouse.W001",
            )
        ]
    return []


@register()
def check_numbers_and_times(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What would change amounts or instants without an error."""
    found = []
    if min(decimal.DefaultContext.prec, decimal.getcontext().prec) < LEAST_PRECISION:
        found.append(
            _error(
                5,
                f"Decimal arithmetic keeps fewer than {LEAST_PRECISION} digits: sums of numeric(38,18) would be rounded silently.",
                "config.settings sets decimal.DefaultContext.prec; something has set it back.",
            )
        )
    if not settings.USE_TZ or settings.TIME_ZONE != "UTC":
        found.append(
            _error(
                6,
                "Times are kept without a zone or in a local one: entries would fall on the wrong day, and twice a year in the wrong hour.",
                'Leave USE_TZ = True and TIME_ZONE = "UTC".',
            )
        )
    if settings.USE_THOUSAND_SEPARATOR:
        found.append(
            _error(
                7,
                "Forms read numbers with thousands separators: 1.500 could be taken for 1500.",
                "Leave USE_THOUSAND_SEPARATOR off.",
            )
        )
    return found


@register()
def check_limits(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    found = []
    if not 0 < settings.API_BODY_LIMIT <= settings.API_BATCH_BODY_LIMIT <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        found.append(
            _error(
                8,
                "The limits of request bodies contradict each other.",
                "0 < API_BODY_LIMIT <= API_BATCH_BODY_LIMIT <= DATA_UPLOAD_MAX_MEMORY_SIZE (bytes).",
            )
        )
    if not 0 <= settings.API_KEY_WARM_SECONDS <= MOST_WARM_SECONDS:
        found.append(
            _error(
                9,
                f"API keys are believed for {settings.API_KEY_WARM_SECONDS} seconds: a revoked key would go on writing for as long.",
                f"Set API_KEY_WARM_SECONDS between 0 and {MOST_WARM_SECONDS}; a few seconds cost nothing.",
            )
        )
    return found


@register()
def check_middleware(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    missing = [name for name in GUARDS if name not in settings.MIDDLEWARE]
    if not missing:
        return []
    return [
        _error(
            12,
            f"MIDDLEWARE lacks {', '.join(missing)}: forged forms, foreign scripts or requests without a trace would go unnoticed.",
            "Put it back; config.middleware says what each is for.",
        )
    ]


@register()
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is a convenience at home and an open door in production."""
    if settings.LOCAL:
        return []
    found = []
    if settings.DEBUG:
        found.append(_error(101, "DEBUG is on in production: error pages would show settings and data.", "Unset DEBUG."))
    if settings.SECRET_KEY == settings.LOCAL_SECRET_KEY or len(settings.SECRET_KEY) < 50:
        found.append(
            _error(
                102,
                "SECRET_KEY is the local one, or short: sessions of staff and page cursors could be forged.",
                "Set SECRET_KEY to 50 or more random characters.",
            )
        )
    if not settings.ALLOWED_HOSTS or any(host.strip() in {"*", "."} for host in settings.ALLOWED_HOSTS):
        found.append(
            _error(103, "ALLOWED_HOSTS names no host, or every host.", "Set ALLOWED_HOSTS to the names this service is reached by.")
        )
    if _is_local_server(settings.DATABASES["default"]):
        found.append(
            _error(
                104,
                "The books are in the local server inside the checkout: nobody backs it up, and a fresh checkout starts an empty one.",
                "Set DATABASE_URL to a PostgreSQL that is operated as one.",
            )
        )
    return found


def _is_local_server(database: dict[str, Any]) -> bool:
    """True for a server that listens on a socket inside this checkout."""
    host = str(database.get("HOST") or database.get("OPTIONS", {}).get("host") or "")
    return host.startswith("/") and Path(host).is_relative_to(settings.BASE_DIR)


@register(Tags.database)
def check_server(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The server behind the settings: its version, its encoding, and in production that what it confirms is on disk."""
    if "default" not in (databases or ()) or connections["default"].vendor != "postgresql":
        return []
    server = _ask_server()
    found = []
    if server["version"] < LEAST_POSTGRESQL:
        found.append(_error(10, f"PostgreSQL is too old ({server['version']}).", "Use PostgreSQL 15 or later."))
    if server["encoding"] != "UTF8":
        found.append(_error(11, f"The database's encoding is {server['encoding']}.", "Create the database anew with ENCODING 'UTF8'."))
    if not settings.LOCAL:
        found += _check_durability(server)
    return found


def _ask_server() -> dict[str, Any]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('fsync'), "
            "current_setting('full_page_writes'), current_setting('synchronous_commit'), "
            "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        )
        names = ("version", "encoding", "fsync", "full_page_writes", "synchronous_commit", "superuser")
        return dict(zip(names, cursor.fetchone(), strict=True))


def _check_durability(server: dict[str, Any]) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    risky = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if server[name] == "off"]
    if risky:
        found.append(
            _error(
                105,
                f"PostgreSQL runs with {', '.join(risky)} off: a crash would take postings with it that were confirmed to their callers.",
                "Switch them on; only test databases may do without.",
            )
        )
    if server["superuser"]:
        found.append(
            Warning(
                "The application connects as a superuser, who can switch the append-only triggers off.",
                hint="Connect as a role without superuser rights that does not own the tables.",
                id="countinghouse.W101",
            )
        )
    return found
