"""The system checks: each wrong setting is refused under its own id."""

import decimal
from pathlib import Path

import pytest
from django.core.checks import run_checks

from config import checks
from tests.database_clock import restore_clock

# The checks read the settings and connect nowhere.
pytestmark = pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")

PRODUCTION = {
    "LOCAL": False,
    "SECRET_KEY": "k" * 60,
    "ALLOWED_HOSTS": ["books.example"],
    "DEBUG": False,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
}


def ids(**kwargs) -> set[str]:
    return {message.id for message in run_checks(**kwargs) if message.id.startswith("countinghouse.")}


def database(settings, **changes) -> dict:
    options = settings.DATABASES["default"]["OPTIONS"] | changes.pop("OPTIONS", {})
    return {"default": settings.DATABASES["default"] | {"OPTIONS": options} | changes}


@pytest.fixture
def production(settings):
    for name, value in PRODUCTION.items():
        setattr(settings, name, value)
    settings.DATABASES = database(settings, HOST="db.example", OPTIONS={"host": "db.example"})
    return settings


def test_the_settings_as_they_are_pass():
    assert ids() == set()


def test_production_settings_pass(production):
    assert ids() == set()


def test_another_engine_than_postgresql_is_refused(settings):
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    assert {message.id for message in checks.check_database_settings(None)} == {"countinghouse.E001"}


@pytest.mark.parametrize("changes", [{"ATOMIC_REQUESTS": True}, {"AUTOCOMMIT": False}])
def test_requests_inside_a_transaction_are_refused(settings, changes):
    settings.DATABASES = database(settings, **changes)
    assert "countinghouse.E002" in ids()


@pytest.mark.parametrize("options", ["", "-c lock_timeout=0", "-c statement_timeout=5"])
def test_waiting_for_a_lock_for_ever_is_refused(settings, options):
    settings.DATABASES = database(settings, OPTIONS={"options": options})
    assert ids() == {"countinghouse.E003"}


def test_a_lock_timeout_of_nothing_is_refused_behind_a_pooler_too(settings):
    settings.DATABASE_BEHIND_POOLER = True
    settings.DATABASE_SESSION_SETTINGS = {"lock_timeout": "0ms", "TimeZone": "UTC"}
    settings.DATABASES = database(settings, OPTIONS={"options": "", "prepare_threshold": None})
    assert ids() == {"countinghouse.E003"}


@pytest.mark.parametrize("kept", [{"options": "-c lock_timeout=5s"}, {"prepare_threshold": 1}])
def test_session_settings_and_prepared_statements_are_refused_behind_a_pooler(settings, kept):
    settings.DATABASE_BEHIND_POOLER = True
    settings.DATABASES = database(settings, OPTIONS={"options": "", "prepare_threshold": None} | kept)
    assert ids() == {"countinghouse.E013"}


def test_a_pooler_with_neither_passes(settings):
    settings.DATABASE_BEHIND_POOLER = True
    settings.DATABASES = database(settings, OPTIONS={"options": "", "prepare_threshold": None})
    assert ids() == set()


def test_a_cache_outside_the_process_is_refused(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:6379"}}
    assert ids() == {"countinghouse.E014"}


@pytest.mark.parametrize("pool", [{"min_size": 1, "max_size": 0}, {"min_size": 9, "max_size": 8}, {"min_size": 1, "max_size": 500}])
def test_pool_sizes_that_make_no_sense_are_refused(settings, pool):
    settings.DATABASES = database(settings, OPTIONS={"pool": pool})
    assert ids() == {"countinghouse.E004"}


def test_a_sound_pool_passes(settings):
    settings.DATABASES = database(settings, CONN_MAX_AGE=0, OPTIONS={"pool": {"min_size": 1, "max_size": 8}})
    assert ids() == set()


def test_a_connection_for_every_request_is_warned_of(settings):
    settings.DATABASES = database(settings, CONN_MAX_AGE=0)
    assert ids() == {"countinghouse.W001"}


def test_too_few_decimal_digits_are_refused(monkeypatch):
    monkeypatch.setattr(decimal.DefaultContext, "prec", 28)
    assert ids() == {"countinghouse.E005"}


@pytest.mark.parametrize(("name", "value"), [("USE_TZ", False), ("TIME_ZONE", "Europe/Berlin")])
def test_local_times_are_refused(settings, name, value):
    setattr(settings, name, value)
    assert ids() == {"countinghouse.E006"}


def test_thousands_separators_in_forms_are_refused(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    assert ids() == {"countinghouse.E007"}


@pytest.mark.parametrize(("name", "value"), [("API_BODY_LIMIT", 0), ("API_BODY_LIMIT", 10**9), ("DATA_UPLOAD_MAX_MEMORY_SIZE", 1)])
def test_contradicting_body_limits_are_refused(settings, name, value):
    setattr(settings, name, value)
    assert ids() == {"countinghouse.E008"}


@pytest.mark.parametrize("seconds", [-1, 3600])
def test_believing_a_revoked_key_for_long_is_refused(settings, seconds):
    settings.API_KEY_CACHE_SECONDS = seconds
    assert ids() == {"countinghouse.E009"}


@pytest.mark.parametrize("guard", checks.GUARDS)
def test_a_missing_guard_in_the_middleware_is_refused(settings, guard):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != guard]
    assert "countinghouse.E012" in ids()


@pytest.mark.parametrize(
    ("name", "value", "refusal"),
    [
        ("DEBUG", True, "E101"),
        ("SECRET_KEY", "local-only-not-a-secret", "E102"),
        ("SECRET_KEY", "short", "E102"),
        ("ALLOWED_HOSTS", ["*"], "E103"),
        ("ALLOWED_HOSTS", [], "E103"),
        ("SECURE_PROXY_SSL_HEADER", None, "E106"),
    ],
)
def test_conveniences_of_a_developers_machine_are_refused_in_production(production, name, value, refusal):
    setattr(production, name, value)
    assert ids() == {f"countinghouse.{refusal}"}


def test_a_server_with_its_own_tls_needs_no_proxy(production):
    production.SECURE_PROXY_SSL_HEADER = None
    production.SECURE_SSL_REDIRECT = False
    assert ids() == set()


@pytest.mark.parametrize("form", ["HOST", "OPTIONS"])
def test_the_local_server_is_refused_in_production(production, form):
    inside = str(Path(production.BASE_DIR) / "var" / "postgres")
    place = {"HOST": inside} if form == "HOST" else {"HOST": "", "OPTIONS": {"host": inside}}
    production.DATABASES = database(production, **place)
    assert ids() == {"countinghouse.E104"}


@pytest.mark.django_db
def test_the_server_that_the_tests_run_on_passes():
    restore_clock()
    assert ids(databases=["default"]) == set()


SOUND = {
    "version": 150004,
    "encoding": "UTF8",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "lock_timeout": "5s",
    "TimeZone": "UTC",
    "is_superuser": False,
    "is_owner": False,
}


@pytest.mark.parametrize(
    ("fact", "refusal"),
    [
        ({"version": 140010}, "E010"),
        ({"encoding": "SQL_ASCII"}, "E011"),
        ({"fsync": "off"}, "E105"),
        ({"full_page_writes": "off"}, "E105"),
        ({"synchronous_commit": "off"}, "E105"),
        ({"lock_timeout": "0"}, "E015"),
        ({"TimeZone": "Europe/Berlin"}, "E015"),
        ({"is_superuser": True, "is_owner": True}, "W101"),
        ({"is_owner": True}, "W102"),
    ],
)
def test_a_server_that_could_lose_money_is_refused(production, monkeypatch, fact, refusal):
    monkeypatch.setattr(checks, "_ask_server", lambda: SOUND | fact)
    assert {message.id for message in checks.check_server(None, databases=["default"])} == {f"countinghouse.{refusal}"}


def test_a_sound_server_passes_in_production(production, monkeypatch):
    monkeypatch.setattr(checks, "_ask_server", lambda: SOUND)
    assert checks.check_server(None, databases=["default"]) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("WEBHOOK_SIGNING_KEY", ["not base64"], "countinghouse.E016"),
        ("WEBHOOK_SIGNING_KEY", ["c2hvcnQ="], "countinghouse.E016"),
        ("WEBHOOK_SIGNING_KEY", ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="] * 3, "countinghouse.E016"),
        ("WEBHOOK_ALLOW_NETS", ["10.0.0.1/8"], "countinghouse.E017"),
        ("PAYMENT_TOKEN_KEYS", ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="], "countinghouse.E019"),
        ("PAYMENT_TOKEN_KEYS", ["k:c2hvcnQ="], "countinghouse.E019"),
        ("WEBHOOK_EGRESS_PROXY", "proxy:3128", "countinghouse.E018"),
    ],
)
def test_settings_of_webhooks_and_payments_that_can_not_be_used_are_refused(settings, name, value, expected):
    setattr(settings, name, value)
    assert ids() == {expected}


def test_plain_http_for_webhooks_is_refused_in_production(production):
    production.WEBHOOK_ALLOW_HTTP = True
    assert ids() == {"countinghouse.E107"}
