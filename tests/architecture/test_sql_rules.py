"""The rules for sql files hold, and each of them can fail."""

import pytest
from django.apps import apps

from kernel.ledger.base_models import TenantOwned
from tests.architecture import sql_rules
from tests.architecture.file_rules import ROOT, committed_files
from tests.architecture.sql_rules import SqlFile, current_files

TENANT_TABLES = {model._meta.db_table for model in apps.get_models() if issubclass(model, TenantOwned)}


def listed(violations):
    return "\n" + "\n".join(violations)


@pytest.mark.parametrize(
    "rule",
    [
        "sizes",
        "long_lines",
        "heads",
        "one_function_for_each_file",
        "rows_are_written_by_column_name",
        "clock_is_read_under_the_locks",
        "look_alike_arguments_are_named",
        "plans_are_kept_under_the_same_settings",
    ],
)
def test_the_sql_files_keep_the_rule(rule):
    violations = getattr(sql_rules, rule)(current_files())
    assert not violations, listed(violations)


def test_every_statement_on_a_tenants_table_names_the_tenant():
    violations = sql_rules.statements_name_the_tenant(current_files(), TENANT_TABLES)
    assert not violations, listed(violations)


# Functions that postings call only for tenants with endpoints, rules, prepaid calls, balance alerts or recurring grants. docs/operations.md
# says that such tenants can't be on Citus.
NOT_ON_CITUS = {
    *("billing_write_events", "billing_write_hold_events", "billing_write_refusals", "credits_write_events", "metering_write_events"),
    *("metering_post_in_order", "rules_decide_new", "paying_hold_estimates", "paying_abort_holding"),
    *("rules_record_new", "paying_insert_payments", "credits_update_alerts"),
}


def posting_functions_on_citus():
    return sql_rules.reached_functions(current_files(), ["billing_post", "credits_post", "metering_post"], NOT_ON_CITUS)


def test_postings_pass_no_row_of_a_table_to_a_function():
    files = posting_functions_on_citus()
    assert {"billing_lock_wallets", "credits_lock_posting_grants", "metering_resolve"} <= {file.stem for file in files}
    violations = sql_rules.rows_of_tables_are_no_arguments(files, TENANT_TABLES)
    assert not violations, listed(violations)


def test_postings_join_tables_in_no_function_in_sql():
    violations = sql_rules.sql_functions_read_one_table(posting_functions_on_citus(), TENANT_TABLES)
    assert not violations, listed(violations)


def test_a_function_in_sql_that_joins_tables_is_found():
    joins = "AS $$ SELECT 1 FROM credits_hold hold JOIN credits_grant account ON true $$"
    assert sql_rules.sql_functions_read_one_table(sample(f"LANGUAGE sql STABLE {joins}"), {"credits_hold", "credits_grant"})
    for allowed in (
        f"LANGUAGE plpgsql {joins}",
        f"RETURNS SETOF uuid LANGUAGE sql {joins}",
        "LANGUAGE sql AS $$ SELECT 1 FROM credits_hold $$",
    ):
        assert sql_rules.sql_functions_read_one_table(sample(allowed), {"credits_hold", "credits_grant"}) == []


def test_a_row_of_a_table_as_an_argument_is_found():
    passed = sample("SELECT credits_is_usable(account, today) FROM credits_grant account")
    assert "a row of credits_grant to credits_is_usable" in sql_rules.rows_of_tables_are_no_arguments(passed, {"credits_grant"})[0]
    assert (
        sql_rules.rows_of_tables_are_no_arguments(sample("SELECT credits_x(account.id) FROM credits_grant account"), {"credits_grant"})
        == []
    )


def test_functions_are_created_in_sql_folders_alone():
    elsewhere = [
        SqlFile(name=name, text=path.read_text())
        for path in committed_files()
        if path.suffix in {".py", ".sql"}
        and not (name := str(path.relative_to(ROOT))).startswith(("tests/", "benchmarks/"))
        and "/sql/" not in name
    ]
    violations = sql_rules.functions_are_created_in_sql_folders(elsewhere)
    assert not violations, listed(violations)


def sample(text, name="credits/sql/credits_x.sql"):
    return [SqlFile(name=name, text=text)]


def test_a_long_function_is_found_and_comments_are_free():
    assert "121 lines" in sql_rules.sizes(sample("SELECT 1;\n" * 121))[0]
    assert sql_rules.sizes(sample("-- comment\n\n" * 500 + "SELECT 1;\n" * 120)) == []


def test_a_head_that_packs_what_six_parameters_need_into_a_line_is_found():
    head, code = "-- Takes: six. Returns: a row.\n", "CREATE FUNCTION x(a numeric(38, 18), b int, c int, d int, e int, f int) RETURNS text"
    assert "has Returns: within a line" in sql_rules.heads(sample(head + code))[0]
    assert sql_rules.heads(sample(head + code.replace(", f int", ""))) == []


@pytest.mark.parametrize("head", ["-- Takes: a. Returns: b. Locks nothing.", "-- Adds.\n-- Never writes.", "-- Returns nothing."])
def test_a_head_in_another_form_is_found(head):
    assert "with a colon" in sql_rules.heads(sample(f"{head}\nSELECT 1"))[0]


def test_a_function_that_writes_without_a_full_head_comment_is_found():
    assert "no head comment" in sql_rules.heads(sample("SELECT 1"))[0]
    assert "doesn't say locks, never" in sql_rules.heads(sample("-- Takes: a. Returns: b.\nINSERT INTO t (a) VALUES (1)"))[0]
    assert "doesn't say never" in sql_rules.heads(sample("-- Takes: Returns: Locks:\nSELECT 1 FROM t FOR NO KEY UPDATE"))[0]
    assert sql_rules.heads(sample("-- Adds one.\nSELECT 1")) == []
    assert sql_rules.heads(sample("-- Takes: Returns: Locks: Never:\nUPDATE t SET a = 1")) == []


def test_a_file_of_two_functions_or_another_name_is_found():
    assert sql_rules.one_function_for_each_file(sample("CREATE OR REPLACE FUNCTION credits_x() ...")) == []
    for text in ("CREATE FUNCTION credits_y() ...", "CREATE FUNCTION credits_x() ...; CREATE FUNCTION credits_y() ...", "SELECT 1"):
        assert sql_rules.one_function_for_each_file(sample(text))


def test_a_long_line_is_found():
    assert "line 2: 141 characters" in sql_rules.long_lines(sample("BEGIN\n" + "x" * 141))[0]


def test_a_function_created_elsewhere_is_found():
    files = sample("operations = [RunSQL('create or replace function credits_x() ...')]", name="credits/migrations/0004_x.py")
    assert "its only place is" in sql_rules.functions_are_created_in_sql_folders(files)[0]


@pytest.mark.parametrize("text", ["INSERT INTO entry SELECT * FROM unnest(rows)", "INSERT INTO entry AS e VALUES (1, 2)"])
def test_an_insert_by_the_order_of_columns_is_found(text):
    assert sql_rules.rows_are_written_by_column_name(sample(text))


def test_an_insert_by_column_names_is_left_alone():
    assert sql_rules.rows_are_written_by_column_name(sample("INSERT INTO entry AS e (id) SELECT id FROM rows")) == []


@pytest.mark.parametrize("text", ["DECLARE at timestamptz := clock_timestamp();\nBEGIN", "BEGIN created_at := now();"])
def test_a_clock_that_is_read_before_the_locks_is_found(text):
    assert sql_rules.clock_is_read_under_the_locks(sample(text))
    assert sql_rules.clock_is_read_under_the_locks(sample(text.replace("clock_timestamp", "ledger_now")))


def test_amounts_that_are_handed_over_by_position_are_found():
    for text in ("billing_floor_allows(0, part, billing_floor(a => 1))", "billing_posting_refusal(\n    false, is_catalogued => true)"):
        assert "by position" in sql_rules.look_alike_arguments_are_named(sample(f"SELECT {text}"))[0]
    for text in (
        "SELECT billing_floor_allows(\n    balance => 0, held => 0)",
        "CREATE FUNCTION billing_floor_allows(held int)",
    ):
        assert sql_rules.look_alike_arguments_are_named(sample(text)) == []


def test_plans_that_are_kept_under_other_settings_are_found():
    settings = "\n".join(f"SET {setting}" for setting in sql_rules.PLAN_SETTINGS)
    for allowed in ("SET jit = off", settings, settings.replace("SET jit", "SET enable_sort = off\nSET jit")):
        assert sql_rules.plans_are_kept_under_the_same_settings(sample(allowed)) == []
    for other in (settings.replace("\nSET enable_hashjoin = off", ""), f"SET search_path FROM CURRENT\n{settings}"):
        assert "keeps its plans under" in sql_rules.plans_are_kept_under_the_same_settings(sample(other))[0]


def test_a_clock_that_is_read_in_the_body_is_left_alone():
    assert sql_rules.clock_is_read_under_the_locks(sample("DECLARE at timestamptz;\nBEGIN at := clock_timestamp();")) == []


@pytest.mark.parametrize(
    "text", ["SELECT id FROM wallet WHERE id = x", "UPDATE wallet SET balance = 0", "SELECT 1 FROM a JOIN wallet USING (id)"]
)
def test_a_statement_without_the_tenant_is_found(text):
    assert "on wallet doesn't mention tenant_id" in sql_rules.statements_name_the_tenant(sample(text), {"wallet"})[0]


@pytest.mark.parametrize("text", ["SELECT id FROM wallet WHERE tenant_id = tenant", "DECLARE w wallet; BEGIN", "SELECT 1 FROM wallet(x)"])
def test_a_statement_with_the_tenant_is_left_alone(text):
    assert sql_rules.statements_name_the_tenant(sample(text), {"wallet"}) == []
