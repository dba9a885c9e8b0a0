"""The rules that can be read off the tables hold for every model, and each of them can fail."""

import importlib
import importlib.util

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models

from kernel.ledger.base_models import LedgerRow, TenantOwned
from kernel.ledger.database_errors import registered_constraints
from tests.architecture import table_rules
from tests.architecture.internal_constraints import INTERNAL_CONSTRAINTS
from tests.architecture.source_rules import LEDGERS, NESTED

pytestmark = pytest.mark.django_db
LABELS = (*LEDGERS, *(app.rpartition(".")[2] for app in NESTED))


def tenant_owned() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if issubclass(model, TenantOwned)]


def tenant_tables() -> set[str]:
    return {model._meta.db_table for model in tenant_owned()}


def foreign_keys(model: type[models.Model]) -> list[models.ForeignKey]:
    return [field for field in model._meta.local_fields if isinstance(field, models.ForeignKey)]


def listed(violations: list[str]) -> str:
    return "\n" + "\n".join(violations)


def all_registered_constraints() -> set[str]:
    for app in (*LEDGERS, *NESTED):
        for module in ("errors", "services"):
            if importlib.util.find_spec(f"{app}.{module}"):
                importlib.import_module(f"{app}.{module}")
    return registered_constraints()


def test_every_model_of_a_ledger_with_a_tenant_is_tenant_owned():
    strays = [
        f"{model._meta.label} has a tenant but not the key of a tenant's table: derive it from TenantOwned or LedgerRow."
        for app in LABELS
        for model in apps.get_app_config(app).get_models()
        if not issubclass(model, TenantOwned) and any(field.name == "tenant" for field in model._meta.local_fields)
    ]
    assert not strays, listed(strays)


def test_every_key_is_the_tenants():
    violations = [violation for table in tenant_tables() for violation in table_rules.primary_key(table)]
    assert not violations, listed(violations)


def test_every_unique_begins_with_the_tenant():
    violations = [violation for table in tenant_tables() for violation in table_rules.unique_begins_with_tenant(table)]
    assert not violations, listed(violations)


def test_every_table_of_a_ledger_has_first_statistics():
    tables = [model._meta.db_table for model in tenant_owned() if model._meta.app_label in LABELS]
    violations = [violation for table in tables for violation in table_rules.planner_knows_first(table)]
    assert tables
    assert not violations, listed(violations)


def test_every_reference_stays_in_its_tenant():
    violations = [
        violation
        for model in tenant_owned()
        for violation in table_rules.references_stay_in_tenant(
            model._meta.db_table, tenant_tables(), [field.column for field in foreign_keys(model)]
        )
    ]
    assert not violations, listed(violations)


def test_every_foreign_key_protects():
    violations = [
        f"{model._meta.label}.{field.name} is not PROTECT: what the ledger refers to can't be deleted."
        for model in tenant_owned()
        for field in foreign_keys(model)
        if field.remote_field.on_delete is not models.PROTECT
    ]
    assert not violations, listed(violations)


def test_every_fact_is_append_only():
    changeable = table_rules.changeable_columns()
    violations = [
        violation
        for model in tenant_owned()
        if issubclass(model, LedgerRow) or (model._meta.app_label, model._meta.model_name) in changeable
        for violation in table_rules.append_only(model._meta.db_table, changeable.get((model._meta.app_label, model._meta.model_name)))
    ]
    assert not violations, listed(violations)


def test_every_constraint_has_an_error_or_is_listed_as_internal():
    with_errors = all_registered_constraints()
    known = with_errors | INTERNAL_CONSTRAINTS
    violations = [violation for table in tenant_tables() for violation in table_rules.constraints_have_errors(table, known)]
    assert not violations, listed(violations)
    constrained = {name for table in tenant_tables() for name in table_rules.constraints_of_table(table)}
    assert sorted(INTERNAL_CONSTRAINTS - constrained) == []
    assert sorted(INTERNAL_CONSTRAINTS & with_errors) == []


def test_the_models_are_those_that_the_migrations_make():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_databases_constraints_are_the_models():
    """A unique key or a check that a migration forgot, or dropped, would be missed only when a caller breaks it."""
    violations = [violation for model in apps.get_models() for violation in table_rules.constraints_of_model(model)]
    assert not violations, listed(violations)


def test_a_constraint_that_the_database_lacks_or_does_not_check_is_found():
    model = apps.get_model("billing", "Transaction")
    names = [constraint.name for constraint in model._meta.constraints if isinstance(constraint, models.CheckConstraint)]
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER TABLE billing_transaction DROP CONSTRAINT "{names[0]}"')
        cursor.execute(f'ALTER TABLE billing_transaction RENAME CONSTRAINT "{names[1]}" TO another_check')
        cursor.execute(f'ALTER TABLE billing_transaction ADD CONSTRAINT "{names[1]}" CHECK (true) NOT VALID')
        unique = next(constraint.name for constraint in model._meta.constraints if isinstance(constraint, models.UniqueConstraint))
        cursor.execute(f'ALTER TABLE billing_transaction DROP CONSTRAINT IF EXISTS "{unique}"; DROP INDEX IF EXISTS "{unique}"')
    violations = table_rules.constraints_of_model(model)
    assert all(any(name in violation for violation in violations) for name in (*names[:2], unique)), violations


@pytest.fixture
def bad_table():
    """A table that breaks every rule for tables."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TABLE sample_good (tenant_id uuid, id uuid, PRIMARY KEY (tenant_id, id), UNIQUE (id));
            CREATE TABLE sample_bad (
                id uuid PRIMARY KEY, tenant_id uuid, note text CONSTRAINT sample_bad_note_check CHECK (note <> ''),
                code text CONSTRAINT sample_bad_code_key UNIQUE,
                good_id uuid CONSTRAINT sample_bad_good_fkey REFERENCES sample_good (id) ON DELETE CASCADE, other_id uuid
            )
            """
        )
    return "sample_bad"


def test_a_key_without_the_tenant_is_found(bad_table):
    assert "TenantKey" in table_rules.primary_key(bad_table)[0]
    assert table_rules.primary_key("sample_good") == []


def test_a_unique_without_the_tenant_is_found(bad_table):
    assert len(table_rules.unique_begins_with_tenant(bad_table)) == 2


def test_a_table_that_the_planner_knows_nothing_of_is_found(bad_table):
    assert len(table_rules.planner_knows_first(bad_table)) == 1


def test_a_reference_out_of_the_tenant_is_found(bad_table):
    cascades, single, missing = table_rules.references_stay_in_tenant(bad_table, {"sample_good"}, ["good_id", "other_id"])
    assert "only ever protect" in cascades
    assert "TenantForeignKey" in single
    assert "other_id has no foreign key" in missing


def test_a_fact_that_nothing_holds_is_found(bad_table):
    assert len(table_rules.append_only(bad_table, None)) == 1
    assert len(table_rules.append_only(bad_table, set())) == 3


def test_a_column_that_the_trigger_does_not_watch_is_found(bad_table):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TRIGGER u BEFORE UPDATE OF id, tenant_id ON sample_bad FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
            CREATE TRIGGER d BEFORE DELETE ON sample_bad FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
            CREATE TRIGGER t BEFORE TRUNCATE ON sample_bad FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
            """
        )
    [violation] = table_rules.append_only(bad_table, {"note", "other_id"})
    assert "['code', 'good_id']" in violation
    assert table_rules.append_only(bad_table, {"note", "other_id", "code", "good_id"}) == []


def test_a_trigger_that_is_switched_off_is_found(bad_table):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TRIGGER d BEFORE DELETE ON sample_bad FOR EACH ROW EXECUTE FUNCTION ledger_append_only();
            ALTER TABLE sample_bad DISABLE TRIGGER d
            """
        )
    assert len(table_rules.append_only(bad_table, set())) == 3


def test_a_constraint_without_an_error_is_found(bad_table):
    first, second = table_rules.constraints_have_errors(bad_table, set())
    assert "sample_bad_code_key" in first
    assert "sample_bad_note_check" in second
    assert table_rules.constraints_have_errors(bad_table, {"sample_bad_code_key", "sample_bad_note_check"}) == []
