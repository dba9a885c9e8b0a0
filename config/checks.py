"""System checks on the settings and the database: what would fail silently and cost money stops the process with an id instead.

E001 to E099 hold everywhere, E101 to E199 in production. Those that ask the database run with `check --database default` and `migrate`.
"""

import decimal
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from kernel.events.http.signing import MAX_KEYS, parse_key
from kernel.ledger.database_functions.function_versions import outdated_functions
from metering.paying.tokens import parse_keys

# numeric(38,18) holds 38 digits; a sum of many, and a product of two, need more.
MIN_PRECISION = 60
MIN_POSTGRESQL = 150000
MAX_CONNECTIONS = 64
MAX_API_KEY_CACHE_SECONDS = 60
IN_PROCESS_CACHES = ("django.core.cache.backends.locmem.LocMemCache", "django.core.cache.backends.dummy.DummyCache")
WAITS_FOR_EVER = "Statements wait for a locked account without a limit: one stuck transaction would block every worker."
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
    """The engine, and how its transactions are used: the ledgers rely on PostgreSQL's guarantees for each statement."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] != "kernel.ledger.postgresql":
        return [
            _error(
                1,
                f"The database engine is {database['ENGINE']}: elsewhere the ledgers' triggers and row locks do not exist.",
                "Set DATABASE_URL to a postgres:// address, or unset it for the local server.",
            )
        ]
    found: list[CheckMessage] = []
    if database.get("ATOMIC_REQUESTS") or not database.get("AUTOCOMMIT", True):
        found.append(
            _error(
                2,
                "Requests run inside a transaction: a posting would be answered before it is committed.",
                "Leave ATOMIC_REQUESTS off and AUTOCOMMIT on; every posting is its own transaction.",
            )
        )
    options = database.get("OPTIONS", {}).get("options", "")
    is_asked_for = settings.DATABASE_BEHIND_POOLER or "lock_timeout=" in options
    if not is_asked_for or settings.DATABASE_SESSION_SETTINGS["lock_timeout"] == "0ms" or "lock_timeout=0" in options:
        found.append(_error(3, WAITS_FOR_EVER, "Set DATABASE_LOCK_TIMEOUT_MS to a few thousand milliseconds."))
    if settings.DATABASE_BEHIND_POOLER and (options or database["OPTIONS"].get("prepare_threshold")):
        found.append(
            _error(
                13,
                "DATABASE_BEHIND_POOLER is on, and connections still ask for session settings or prepared statements: a pooler that gives "
                "each transaction another session refuses or loses them.",
                "Remove `options` from DATABASE_URL.",
            )
        )
    return found + _check_connections(database)


def _check_connections(database: dict[str, Any]) -> list[CheckMessage]:
    pool = database.get("OPTIONS", {}).get("pool")
    if isinstance(pool, dict) and not 1 <= pool.get("min_size", 1) <= pool.get("max_size", 1) <= MAX_CONNECTIONS:
        return [
            _error(
                4,
                f"The connection pool's sizes make no sense: {pool}.",
                f"Set DATABASE_POOL_SIZE between 1 and {MAX_CONNECTIONS}; 4 to 8 for each core of the database are fastest.",
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
    found: list[CheckMessage] = []
    if min(decimal.DefaultContext.prec, decimal.getcontext().prec) < MIN_PRECISION:
        found.append(
            _error(
                5,
                f"Decimal arithmetic keeps fewer than {MIN_PRECISION} digits: sums of numeric(38,18) would be rounded silently.",
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
    found: list[CheckMessage] = []
    if not 0 < settings.API_BODY_LIMIT <= settings.API_BATCH_BODY_LIMIT <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        found.append(
            _error(
                8,
                "The limits of request bodies contradict each other.",
                "0 < API_BODY_LIMIT <= API_BATCH_BODY_LIMIT <= DATA_UPLOAD_MAX_MEMORY_SIZE (bytes).",
            )
        )
    if not 0 <= settings.API_KEY_CACHE_SECONDS <= MAX_API_KEY_CACHE_SECONDS:
        found.append(
            _error(
                9,
                f"API keys are believed for {settings.API_KEY_CACHE_SECONDS} seconds: a revoked key would go on writing for as long.",
                f"Set API_KEY_CACHE_SECONDS between 0 and {MAX_API_KEY_CACHE_SECONDS}; a few seconds cost nothing.",
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
def check_caches(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """config/wsgi.py disconnects `close_caches`, which closes a cache server's connections after each request: no cache may have any."""
    remote = sorted(name for name, cache in settings.CACHES.items() if cache["BACKEND"] not in IN_PROCESS_CACHES)
    if not remote:
        return []
    return [
        _error(
            14,
            f"CACHES names a cache outside the process ({', '.join(remote)}): its connections would stay open after each request.",
            "Use LocMemCache, or remove the line in config/wsgi.py that disconnects close_caches.",
        )
    ]


@register()
def check_payments(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What payments are signed with."""
    try:
        parse_keys(settings.PAYMENT_TOKEN_KEYS)
    except ValueError as error:
        return [_error(19, f"A key in PAYMENT_TOKEN_KEYS can't be used: {error}.", "Each is name:key, the key 32 random bytes in base64.")]
    return []


@register()
def check_webhooks(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What events are signed with, and where they may be sent."""
    found: list[CheckMessage] = []
    try:
        keys = [parse_key(text) for text in settings.WEBHOOK_SIGNING_KEY]
    except ValueError as error:
        found.append(_error(16, f"A key in WEBHOOK_SIGNING_KEY can't be used: {error}.", "A key is 32 random bytes in base64."))
    else:
        if len(keys) > MAX_KEYS:
            found.append(_error(16, f"WEBHOOK_SIGNING_KEY has {len(keys)} keys.", "One; or two, while one takes the place of the other."))
    try:
        for network in settings.WEBHOOK_ALLOW_NETS:
            ipaddress.ip_network(network)
    except ValueError as error:
        found.append(_error(17, f"WEBHOOK_ALLOW_NETS: {error}.", "Networks such as 10.20.0.0/16, separated by commas."))
    if settings.WEBHOOK_EGRESS_PROXY and not settings.WEBHOOK_EGRESS_PROXY.startswith("http://"):
        found.append(_error(18, "WEBHOOK_EGRESS_PROXY is no http:// address.", "Set it to http://host:port, or unset it."))
    if settings.WEBHOOK_ALLOW_HTTP and not settings.LOCAL:
        found.append(
            _error(107, "WEBHOOK_ALLOW_HTTP is on in production: events would be sent in plain text.", "Unset WEBHOOK_ALLOW_HTTP.")
        )
    return found


@register()
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Settings that are convenient on a developer's machine and dangerous in production."""
    if settings.LOCAL:
        return []
    found: list[CheckMessage] = []
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
                "The ledgers are in the local server inside the checkout: nobody backs it up, and a fresh checkout starts an empty one.",
                "Set DATABASE_URL to a PostgreSQL server that is operated and backed up.",
            )
        )
    if settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
        found.append(
            _error(
                106,
                "Every call would be answered 301: requests are redirected to HTTPS, and the server, which speaks plain HTTP, "
                "trusts no proxy to say that a request came over HTTPS.",
                "Set BEHIND_TLS_PROXY=1 where the proxy in front sets X-Forwarded-Proto and removes the caller's own; or "
                "SECURE_SSL_REDIRECT=0 where uvicorn itself speaks TLS.",
            )
        )
    return found


def _is_local_server(database: dict[str, Any]) -> bool:
    """True for a server that listens on a socket inside this checkout."""
    host = str(database.get("HOST") or database.get("OPTIONS", {}).get("host") or "")
    return host.startswith("/") and Path(host).is_relative_to(settings.BASE_DIR)


@register(Tags.database)
def check_server(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The server behind the settings: its version, its encoding, its session settings; in production also durability and the role."""
    if "default" not in (databases or ()) or connections["default"].vendor != "postgresql":
        return []
    server = _ask_server()
    found: list[CheckMessage] = []
    if server["version"] < MIN_POSTGRESQL:
        found.append(_error(10, f"PostgreSQL is too old ({server['version']}).", "Use PostgreSQL 15 or later."))
    if server["encoding"] != "UTF8":
        found.append(_error(11, f"The database's encoding is {server['encoding']}.", "Create the database anew with ENCODING 'UTF8'."))
    if server["lock_timeout"] == "0" or server["TimeZone"] != settings.TIME_ZONE:
        found.append(
            _error(
                15,
                f"The session's lock_timeout is {server['lock_timeout']} and its TimeZone {server['TimeZone']}. {WAITS_FOR_EVER}",
                "Run `manage.py grant_roles`, which writes both into the database; a pooler forwards none that the client asks for.",
            )
        )
    if not settings.LOCAL:
        found += _check_durability(server) + _check_role(server)
    return found


@register(Tags.database)
def check_functions(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """The ledgers' functions in the database are those of the files. A database that has migrations to run is not looked at."""
    connection = connections["default"]
    if "default" not in (databases or ()) or connection.vendor != "postgresql":
        return []
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
        # On Citus some functions are installed in another form.
        outdated = [] if cursor.fetchone()[0] else outdated_functions(cursor)
    if not outdated:
        return []
    names = ", ".join(outdated[:5]) + (f" and {len(outdated) - 5} more" if len(outdated) > 5 else "")
    return [
        Warning(
            f"The database has other functions than the files in <app>/sql/: {names}. Postings are decided by the database's.",
            hint="A development database: bin/demo --fresh. Any other: make_functions_migration writes a version that migrate installs.",
            id="countinghouse.W003",
        )
    ]


def _ask_server() -> dict[str, Any]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), current_setting('fsync'), "
            "current_setting('full_page_writes'), current_setting('synchronous_commit'), current_setting('lock_timeout'), "
            "current_setting('TimeZone'), rolsuper, EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema() "
            "AND pg_has_role(current_user, tableowner, 'USAGE')) FROM pg_roles WHERE rolname = current_user"
        )
        settings_asked = ("version", "encoding", "fsync", "full_page_writes", "synchronous_commit", "lock_timeout", "TimeZone")
        return dict(zip((*settings_asked, "is_superuser", "is_owner"), cursor.fetchone(), strict=True))


def _check_durability(server: dict[str, Any]) -> list[CheckMessage]:
    risky = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if server[name] == "off"]
    if not risky:
        return []
    return [
        _error(
            105,
            f"PostgreSQL runs with {', '.join(risky)} off: a crash would lose postings that were confirmed to their callers.",
            "Switch them on; only test databases may do without.",
        )
    ]


def _check_role(server: dict[str, Any]) -> list[CheckMessage]:
    """Warnings, not errors: `migrate` runs these checks too, and it must connect as the owner."""
    if not server["is_superuser"] and not server["is_owner"]:
        return []
    kind = "a superuser" if server["is_superuser"] else "the owner of the tables"
    return [
        Warning(
            f"The application connects as {kind}, who can remove the append-only triggers.",
            hint="Only migrate and grant_roles may connect so. Serve requests as the role that `manage.py grant_roles --service` names.",
            id="countinghouse.W101" if server["is_superuser"] else "countinghouse.W102",
        )
    ]
