"""The rules that can be read off the source hold, and each of them can fail."""

import pytest
from django.apps import apps

from kernel.ledger.base_models import TenantOwned
from tests.architecture import source_rules
from tests.architecture.source_rules import LEDGERS, PACKAGES, Module, all_modules


def ledger_models() -> set[str]:
    return {model.__name__ for model in apps.get_models() if issubclass(model, TenantOwned)}


def listed(violations: list[str]) -> str:
    return "\n" + "\n".join(violations)


def test_only_services_write_ledger_rows():
    violations = source_rules.writes_only_in_services(all_modules(*PACKAGES), ledger_models())
    assert not violations, listed(violations)


def test_no_module_is_named_utils_or_helpers():
    violations = source_rules.no_catch_all_modules(all_modules(*PACKAGES, "tests"))
    assert not violations, listed(violations)


def test_functions_and_classes_have_plain_names():
    violations = source_rules.plain_names(all_modules(*PACKAGES, "tests", "benchmarks"))
    assert not violations, listed(violations)


@pytest.mark.parametrize(
    "name",
    ["def told(): ...", "def _found(): ...", "class ErrandQueue: ...", "async def open_door(): ...", "def read():\n    def _told(): ..."],
)
def test_a_name_that_is_no_standard_word_is_found(name):
    assert "is no plain name" in source_rules.plain_names([Module(name="credits.services", text=name)])[0]


@pytest.mark.parametrize("name", ["def foundation(): ...", "def known_constraints(): ...", "class Statement: ...", "def outdoor(): ..."])
def test_a_standard_name_is_allowed(name):
    assert source_rules.plain_names([Module(name="credits.services", text=name)]) == []


def test_functions_and_modules_are_small():
    violations = source_rules.sizes(module for module in all_modules(*PACKAGES) if "migrations" not in module.parts)
    assert not violations, listed(violations)


def test_nothing_prints():
    violations = source_rules.no_print(all_modules(*PACKAGES))
    assert not violations, listed(violations)


def test_nothing_uses_signals():
    violations = source_rules.no_signals(all_modules(*LEDGERS, "kernel"))
    assert not violations, listed(violations)


def test_the_domain_imports_no_http():
    violations = source_rules.domain_without_http(all_modules(*LEDGERS, "kernel"))
    assert not violations, listed(violations)


def test_services_are_imported_from_their_package():
    violations = source_rules.services_by_package(all_modules(*PACKAGES))
    assert not violations, listed(violations)


def test_apis_import_no_models():
    violations = source_rules.apis_import_no_models(all_modules(*LEDGERS, "kernel"))
    assert not violations, listed(violations)


def test_metering_imports_only_services_and_selectors_of_other_ledgers():
    violations = source_rules.other_ledgers_by_services(all_modules("metering"))
    assert not violations, listed(violations)


@pytest.mark.parametrize(
    "line",
    [
        "Entry.objects.create(amount=1)",
        "Entry.objects.bulk_create(rows)",
        "Entry.objects.filter(id=1).update(amount=1)",
        "Entry.objects.get_or_create(id=1)",
        "Entry.objects.raw('select 1')",
        "models.Entry.objects.all().delete()",
        "entry.save()",
        "queryset.update(status='void')",
        "self.get_queryset().filter(a=1).update(b=2)",
        "cursor.execute('UPDATE credits_grant SET balance = 0')",
    ],
)
def test_a_write_outside_services_is_found(line):
    [violation] = source_rules.writes_only_in_services([Module(name="credits.admin", text=line)], {"Entry"})
    assert "credits.services" in violation


def test_a_write_from_another_app_is_found():
    assert source_rules.writes_only_in_services([Module(name="config.local.demo.sample_rows", text="Entry.objects.create()")], {"Entry"})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("credits.services", "Entry.objects.create(amount=1)"),
        ("credits.services.grants", "entry.save()"),
        ("kernel.backfills.services", "Entry.objects.create(amount=1)"),
        ("kernel.backfills.planning.temp_tables", "cursor.execute('INSERT INTO pg_temp.seen VALUES (1)')"),
        ("credits.admin", "context.update(title='Grants')"),
        ("config.local.demo.sample_rows", "user.save()"),
    ],
)
def test_a_write_in_a_service_is_allowed(name, line):
    assert source_rules.writes_only_in_services([Module(name=name, text=line)], {"Entry"}) == []


@pytest.mark.parametrize("name", ["credits.utils", "kernel.common.money", "billing.helpers"])
def test_a_module_named_utils_is_found(name):
    assert source_rules.no_catch_all_modules([Module(name=name, text="")])


def test_a_long_function_is_found():
    text = "def long():\n" + "    a = 1\n" * 40
    assert "41 lines" in source_rules.sizes([Module(name="credits.services", text=text)])[0]


def test_a_long_module_is_found():
    assert "401 lines" in source_rules.sizes([Module(name="credits.services", text="a = 1\n" * 401)])[0]


def test_deep_nesting_is_found():
    text = "def deep():\n    for a in b:\n        if a:\n            while a:\n                a = 0\n"
    assert "3 deep" in source_rules.sizes([Module(name="credits.services", text=text)])[0]


def test_a_chain_of_elifs_is_not_deep():
    text = "def flat():\n    if a:\n        pass\n    elif b:\n        pass\n    elif c:\n        if d:\n            pass\n"
    assert source_rules.sizes([Module(name="credits.services", text=text)]) == []


def test_a_print_is_found():
    assert source_rules.no_print([Module(name="credits.services", text="print(1)")])


@pytest.mark.parametrize("line", ["from django.db.models.signals import post_save", "from django.dispatch import receiver"])
def test_a_signal_is_found(line):
    assert source_rules.no_signals([Module(name="credits.models", text=line)])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("credits.services", "from django.http import HttpResponse"),
        ("credits.services.grants", "import rest_framework.serializers"),
        ("credits.errors", "from kernel.api import problems"),
        ("kernel.ledger.posting", "from django.http import JsonResponse"),
        ("kernel.tenants.services", "from drf_spectacular.utils import extend_schema"),
    ],
)
def test_a_domain_that_imports_http_is_found(name, line):
    assert source_rules.domain_without_http([Module(name=name, text=line)])


def test_an_api_and_an_admin_may_import_http():
    text = "from django.http import HttpResponse"
    assert (
        source_rules.domain_without_http([Module(name="credits.api.views", text=text), Module(name="kernel.ledger.admin", text=text)]) == []
    )


@pytest.mark.parametrize("line", ["from billing.models import Entry", "from billing import models", "import credits.integrity"])
def test_an_import_past_another_apps_services_is_found(line):
    assert source_rules.other_ledgers_by_services([Module(name="metering.services", text=line)])


def test_an_import_of_another_apps_services_is_allowed():
    text = "from billing.services import record_transaction\nfrom credits import services as credits_services\nimport billing.selectors"
    assert source_rules.other_ledgers_by_services([Module(name="metering.services", text=text)]) == []


@pytest.mark.parametrize(
    "line",
    [
        "from credits.models import Grant",
        "from credits import models",
        "from kernel.tenants.models import Tenant",
        "from kernel.ledger.base_models import LedgerRow",
    ],
)
@pytest.mark.parametrize("name", ["credits.api.views", "kernel.api.views"])
def test_an_api_that_imports_models_is_found(name, line):
    assert source_rules.apis_import_no_models([Module(name=name, text=line)])


@pytest.mark.parametrize("line", ["from credits.services.holds import place_hold", "from credits.services import holds"])
def test_an_import_past_the_package_of_services_is_found(line):
    package = Module(name="credits.services", text="from credits.services.holds import place_hold")
    assert source_rules.services_by_package([package, Module(name="credits.admin", text=line)])
    assert source_rules.services_by_package([package, Module(name="credits.services.draws", text=line)]) == []


def test_an_api_may_import_services():
    text = "from credits import selectors, services"
    assert source_rules.apis_import_no_models([Module(name="credits.api.views", text=text)]) == []
