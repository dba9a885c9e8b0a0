"""All settings, each read from the environment once, here. A missing or malformed value stops the process with its name.

ENVIRONMENT is `local` (the default: works with nothing set) or `production` (nothing is guessed).
"""

import decimal
import logging
from pathlib import Path
from typing import Any

import environ
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from config.logging import JsonLines

# numeric(38,18) needs 38 digits and sums of it more; Python's default of 28 would round silently.
# Threads copy DefaultContext, so it must be set before the first one starts.
decimal.DefaultContext.prec = 60
decimal.getcontext().prec = 60

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

ENVIRONMENT = env.str("ENVIRONMENT", default="local")
if ENVIRONMENT not in {"local", "production"}:
    raise ImproperlyConfigured(f"ENVIRONMENT must be 'local' or 'production', not {ENVIRONMENT!r}.")
LOCAL = ENVIRONMENT == "local"
LOCAL_SECRET_KEY = "local-only-not-a-secret"  # noqa: S105

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default=LOCAL_SECRET_KEY) if LOCAL else env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", "testserver"] if LOCAL else environ.Env.NOTSET)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    # Without Unfold's own admin site: backoffice.admin_config installs ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "backoffice.admin_config.OfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "kernel.tenants",
    "kernel.ledger",
    "kernel.corrections",
    "kernel.backfills",
    "kernel.events",
    "billing",
    "metering",
    "metering.rules",
    "metering.paying",
    "credits",
    "backoffice",
    "config.apps.ProjectConfig",
]

MIDDLEWARE = [
    "config.middleware.RequestLogMiddleware",
    "config.middleware.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Only the admin has sessions; the API pays for none of the five.
    "config.middleware.OfficeSessionMiddleware",
    "config.middleware.OfficeCsrfMiddleware",
    "config.middleware.OfficeAuthenticationMiddleware",
    "config.middleware.OfficeTimeZoneMiddleware",
    "config.middleware.OfficeMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# The admin's own subclass guards it (countinghouse.E012); the API takes no cookies, so there is nothing there to forge.
SILENCED_SYSTEM_CHECKS = ["security.W003"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
# A POST can't be redirected, so an API path without its slash is not found. Only the admin redirects to a path with one.
APPEND_SLASH = True
CSRF_FAILURE_VIEW = "config.pages.views.csrf_failure"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.db_url("DATABASE_URL")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    # Checks before use whether the server has closed a connection, as it does when it restarts.
    DATABASES["default"]["ENGINE"] = "kernel.ledger.postgresql"
# What every session needs: a statement waits no longer than lock_timeout for a locked account (then the call is answered 503, repeat it).
DATABASE_SESSION_SETTINGS = {"lock_timeout": f"{env.int('DATABASE_LOCK_TIMEOUT_MS', default=5000)}ms", "TimeZone": "UTC"}
# On where a proxy in front of PostgreSQL, such as PgBouncer, gives each transaction another session. A session then can't prepare
# statements, hold a cursor open or set options at connect: `grant_roles` writes them into the database, and a system check reads them.
DATABASE_BEHIND_POOLER = env.bool("DATABASE_BEHIND_POOLER", default=False)
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_BEHIND_POOLER
DATABASES["default"].setdefault("OPTIONS", {}).update(
    {
        "prepare_threshold": None if DATABASE_BEHIND_POOLER else 1,
        "application_name": "countinghouse",
    }
)
if not DATABASE_BEHIND_POOLER:
    DATABASES["default"]["OPTIONS"]["options"] = " ".join(f"-c {name}={value}" for name, value in DATABASE_SESSION_SETTINGS.items())
if DATABASE_POOL_SIZE := env.int("DATABASE_POOL_SIZE", default=0):
    # 4 to 8 for each core of the database: with more connections, postings to one busy account only wait for each other.
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONNECTION_AGE", default=60)

# Postings that arrive while a call to the database is under way are sent together (kernel/ledger/posting/batching.py).
LEDGER_BATCHING = env.bool("LEDGER_BATCHING", default=True)
# How many such calls one process makes at the same time, at most; the event loop has a connection for each.
LEDGER_BATCHING_CALLS = env.int("LEDGER_BATCHING_CALLS", default=4)

# Threads of one process for all that isn't the posting of one transaction (config/asgi.py).
WEB_THREADS = env.int("WEB_THREADS", default=16)

# Scheduled jobs are in each app's jobs.py and run in `manage.py run_worker`; each job is a command as well.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"

# The type of ids in the few tables that aren't a tenant's.
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "kernel.tenants.staff_roles.RoleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = None if LOCAL else BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
# Without DEBUG whitenoise serves what `collectstatic` gathered; locally it also finds files in place.
WHITENOISE_USE_FINDERS = LOCAL

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=not LOCAL)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0 if LOCAL else 31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = not LOCAL
SECURE_HSTS_PRELOAD = not LOCAL
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not LOCAL
X_FRAME_OPTIONS = "DENY"

# Bodies larger than these are refused with 413 before they are parsed (bytes).
API_BODY_LIMIT = env.int("API_BODY_LIMIT", default=1_048_576)
API_BATCH_BODY_LIMIT = env.int("API_BATCH_BODY_LIMIT", default=16_777_216)
DATA_UPLOAD_MAX_MEMORY_SIZE = API_BATCH_BODY_LIMIT
# For so long a cached API key is trusted without asking the database again: the time until a revocation takes effect (seconds).
API_KEY_CACHE_SECONDS = env.int("API_KEY_CACHE_SECONDS", default=3)

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_SCHEMA_CLASS": "kernel.api.schema.LedgerSchema",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Countinghouse",
    "DESCRIPTION": "Three ledgers for companies that sell metered and AI services: billing, metering and credits.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The default hook turns a nullable choice into a component of its own, named by guess.
    "POSTPROCESSING_HOOKS": [],
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# Where long exports are written until they are fetched; of several machines, all must see it.
EXPORT_FOLDER = env.path("EXPORT_FOLDER", default=str(BASE_DIR / "var" / "exports"))

# Files of backfills: uploads of the back office, standard input, refused rows. The web servers and the workers must see the same folder.
BACKFILL_FOLDER = env.path("BACKFILL_FOLDER", default=str(BASE_DIR / "var" / "backfills"))
# How large an uploaded file may be (bytes), and how long it is kept after the last step (days).
BACKFILL_UPLOAD_LIMIT = env.int("BACKFILL_UPLOAD_LIMIT", default=50_000_000)
BACKFILL_FILE_DAYS = env.int("BACKFILL_FILE_DAYS", default=30)
# Uploads are received on disk, whatever their size.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# Webhooks (kernel/events). A list: the key that endpoints' secrets are derived from, 32 bytes in base64; or two, separated by a comma,
# while one takes the place of the other: both sign. An empty list: no endpoint can be made.
WEBHOOK_SIGNING_KEY = env.list("WEBHOOK_SIGNING_KEY", default=[])
# Networks of the operator's own that may receive events, such as 10.20.0.0/16; all others must be public.
WEBHOOK_ALLOW_NETS = env.list("WEBHOOK_ALLOW_NETS", default=[])
# http:// as well as https://, for development.
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", default=False)
# A proxy, http://host:port, through which everything is sent. It then decides which addresses may be reached.
WEBHOOK_EGRESS_PROXY = env.str("WEBHOOK_EGRESS_PROXY", default="")
# Certificates to trust instead of the system's, for receivers with a certificate of the operator's own.
WEBHOOK_CA_FILE = env.str("WEBHOOK_CA_FILE", default="")
# How many requests one worker has under way, and how many of them for one endpoint.
WEBHOOK_THREADS = env.int("WEBHOOK_THREADS", default=64)
WEBHOOK_IN_FLIGHT = env.int("WEBHOOK_IN_FLIGHT", default=16)

# Payments of resources that answer 402 (metering/paying). `name:key`, the key being 32 random bytes in base64: the first signs the tokens
# of payments, the others are still known until their last payment is over. Without a key nothing can be paid.
PAYMENT_TOKEN_KEYS = env.list("PAYMENT_TOKEN_KEYS", default=["local:bG9jYWwtb25seS1ub3QtYS1zZWNyZXQtb2YtMzItYnk="] if LOCAL else [])
# This installation's own network, and names of other networks that it takes for its own, such as sapiom:main.
PAYMENT_NETWORK = env.str("PAYMENT_NETWORK", default="countinghouse:main")
PAYMENT_NETWORK_ALIASES = env.list("PAYMENT_NETWORK_ALIASES", default=[])
# Who signs, in the claim `iss`.
PAYMENT_ISSUER = env.str("PAYMENT_ISSUER", default=PAYMENT_NETWORK)
# What pays the options of a challenge, by dotted name (metering.paying.payers.Payer); an option is offered to each in this order.
# The payer of tokens on EVM chains (extra x402) is metering.paying.payers.EvmPayer.
PAYERS = env.list("PAYERS", default=["metering.paying.payers.LedgerPayer"])

# The private keys of EvmPayer, `tenant:key`: the tenant's id, and 32 bytes in hexadecimal or the path of a file that holds them.
X402_EVM_KEYS = env.list("X402_EVM_KEYS", default=[])

UNFOLD = {
    "SITE_TITLE": "Countinghouse",
    "SITE_HEADER": "Countinghouse",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "account_balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/countinghouse/mark.svg"}],
    "ENVIRONMENT": "backoffice.site.environment_badge",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "STYLES": ["/static/countinghouse/backoffice.css"],
    "SCRIPTS": ["/static/countinghouse/backoffice.js", "/static/countinghouse/keys.js"],
    "COLORS": {
        "primary": {
            "50": "#f0fdfa",
            "100": "#ccfbf1",
            "200": "#99f6e4",
            "300": "#5eead4",
            "400": "#2dd4bf",
            "500": "#14b8a6",
            "600": "#0f766e",
            "700": "#115e59",
            "800": "#134e4a",
            "900": "#0f3f3c",
            "950": "#042f2e",
        },
    },
    "ACCOUNT": {"navigation": [{"title": "My profile", "link": reverse_lazy("admin:backoffice_profile")}]},
    "COMMAND": {"show_history": False},
    "SIDEBAR": {"show_search": True, "command_search": True, "show_all_applications": False, "navigation": "backoffice.site.navigation"},
}

# Skips the look-up of process, thread and task for each log line, which ours don't show (the logging module's own switches).
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
logging._srcfile = None
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="console" if LOCAL else "json")
_SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": JsonLines, "foreign_pre_chain": _SHARED_PROCESSORS},
        "console": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Plain: the pretty tracebacks print local variables, and one of those may be an API key.
                structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
            ],
            "foreign_pre_chain": _SHARED_PROCESSORS,
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # At INFO they log every job at the start of every command.
        **{name: {"level": "WARNING"} for name in ("procrastinate.blueprints", "procrastinate.periodic")},
        # A certificate of another name is in the log of attempts.
        "urllib3.connection": {"level": "ERROR"},
        # An empty entry takes Django's own handlers away. Of these, only what went wrong: the request's line says the rest.
        "django": {"handlers": [], "level": "INFO"},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
    },
}
structlog.configure(
    processors=[structlog.stdlib.filter_by_level, *_SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
