"""Every page of every model opens when its table has rows: the list, with any filter, and the page of a row."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.utils import timezone
from django.utils.html import escape

from billing.services import record_transaction
from kernel.base.local_time import local_time
from kernel.base.unbroken_ids import with_unbroken_ids
from kernel.ledger.admin.base import PEOPLE
from kernel.ledger.admin.settings import SettingForm
from kernel.ledger.base_models import LedgerRow
from kernel.ledger.identifiers import with_short_ids
from kernel.ledger.money import MoneyField
from kernel.tenants.models import ApiKey, StaffProfile
from tests.backoffice.full_book import fill_every_table
from tests.factories import IssuedKeyFactory, TenantFactory

pytestmark = pytest.mark.django_db
OURS = ("tenants", "backfills", "corrections", "events", "backoffice", "billing", "metering", "rules", "paying", "credits")
# Their rows are of no use to a reader, or stand on the page of another row.
WITHOUT_PAGES = {"events.Listener", "events.IdempotentCall", "backfills.BackfillShare"}
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models() if model._meta.label not in WITHOUT_PAGES]
WITH_PAGES = [model for model in MODELS if admin.site.is_registered(model)]
LEDGER_ROWS = [model for model in MODELS if issubclass(model, LedgerRow)]
# Without JSON, which shows rows as they are.
TAG = re.compile(r"<(script|style|details)\b.*?</\1>|<[^>]*>", re.DOTALL)
DATE_IN_WORDS = re.compile(r"\b(?:Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec)[a-z]*\.? \d{1,2}, \d{4}")
LABEL = re.compile(r"<dt>(.*?)</dt>|<th scope=\"col\"[^>]*>(.*?)</th>", re.DOTALL)
# Words of tables, not of people: Created at, Customer id, Is final, Actor. A row's own ID is called so.
COLUMN_WORD = re.compile(r"_|\b(at|id|ids|ms)$|^(is|has) |fiat|^actor$|digest|\bseconds$", re.IGNORECASE)
# Names of columns, tables and classes, wherever they stand on a page.
CODE = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b|\b(?:[A-Z][a-z]+){2,}\b")
ICON = re.compile(r"<span[^>]*material-symbols-outlined[^>]*>[^<]*</span>")
# A role of the database that changed a setting without a service.
NO_CODES = {"countinghouse_owner"}
# The form of an uploaded file names the columns of the file; the list of jobs is for operators, who know them by these names.
WITH_CODES = {"backfills.BackfillUpload", "procrastinate.ProcrastinateJob"}
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
FIRST_FACT = re.compile(r'<dl class="ch-facts">\s*<div[^>]*><dt>.*?</dt><dd>(.*?)</dd>', re.DOTALL)
# A tab that says what to do in place of what it shows, or an amount without its unit; a value that is written as code, or with a capital.
NO_NAME = re.compile(r"^\s*Select |: \d[\d.]* \|")
EMPTY = re.compile(r"\[\]|Https?://")
AMOUNTS = {"amount", "fiat_amount", "original_amount"}
WHOLE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# A label that Django makes of a choice's name: "Already Known".
TITLE_CASE = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]+)+")
# A value that isn't there is a dash (kernel/base/empty_values.py), not a hyphen, which is a minus beside amounts.
HYPHEN = re.compile(r"<(?:td|th|dd|span)\b[^>]*>\s*-\s*</")
UNITS = {"currency", "unit", "metric_id", "unit_type", "fiat_asset_symbol"}
# The first and the last time zone that a day reaches.
ZONES = ["Pacific/Kiritimati", "Pacific/Pago_Pago"]


def list_of(model):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def test_every_page_of_every_model_opens(office, boss):
    """One test for all models, because filling every table takes longer than opening the pages."""
    fill_every_table(TenantFactory(name="Acme"), boss)
    failed = {}
    for model in MODELS:
        row = model._base_manager.first()
        assert row is not None, f"tests/backoffice/full_book.py makes no {model._meta.label}"
        query = "?window=all" if issubclass(model, LedgerRow) else ""
        statuses = [office.get(f"{list_of(model)}{path}").status_code for path in (query, f"{row.pk}/change/")]
        history = office.get(f"{list_of(model)}{row.pk}/history/").status_code
        if statuses != [200, 200] or history not in {200, 403}:
            failed[model._meta.label] = (*statuses, history)
    assert failed == {}


def labels_of(html):
    """The labels of a row's page and the headings of its tables, or of a list, without the arrow of the order."""
    texts = (TAG.sub(" ", "".join(found)).replace("↓", "").replace("Select all rows", "").strip() for found in LABEL.findall(html))
    return {text for text in texts if text not in {"", "ID"}}


def test_every_page_writes_dates_in_one_form_people_by_name_and_labels_in_words(office, boss):
    """No "Nov. 29, 2026" beside "2026-11-29", no "staff:2" where the name is known, no "Created at" for "Booked", and no title that is
    an id, an order or an amount without its unit. The page of a ledger's row begins with its amount."""
    fill_every_table(TenantFactory(name="Acme"), boss)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for model in MODELS:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DISABLE TRIGGER USER")
            # `decided_by` stays: nobody decides a request of their own.
            for column in (PEOPLE - {"decided_by"}) & {field.name for field in model._meta.concrete_fields}:
                cursor.execute(f"UPDATE {model._meta.db_table} SET {column} = 'staff:{boss.pk}' WHERE {column} <> ''")
    choices = [label for model in MODELS for field in model._meta.concrete_fields for _, label in field.flatchoices or ()]
    title_case_labels = {str(label) for label in choices if TITLE_CASE.fullmatch(str(label))}
    wrong = {}
    for model in WITH_PAGES:
        query = "?window=all" if issubclass(model, LedgerRow) else ""
        for path in (query, f"{model._base_manager.first().pk}/change/"):
            html = office.get(f"{list_of(model)}{path}").content.decode()
            text = TAG.sub(" ", ICON.sub("", html))
            raw = [label for label in labels_of(html) if COLUMN_WORD.search(label)] + WHOLE_ID.findall(TITLE.findall(html)[0])
            # A column of links can't be the first one, which leads to the row.
            raw += re.findall(r'<th scope="row"[^>]*><a [^>]*><a ', html)
            raw += ["an empty value without a dash"] if "<dd></dd>" in html else []
            raw += HYPHEN.findall(html) + sorted(title_case_labels & set(TITLE_CASE.findall(text)))
            if path != query and issubclass(model, LedgerRow) and AMOUNTS & {field.name for field in model._meta.concrete_fields}:
                raw += [] if "money" in FIRST_FACT.findall(html)[0] else ["the amount is not first"]
            raw += NO_NAME.findall(TITLE.findall(html)[0]) + EMPTY.findall(text)
            if model._meta.label not in WITH_CODES:
                raw += sorted(set(CODE.findall(text)) - NO_CODES)
            if found := DATE_IN_WORDS.findall(text) + re.findall(rf"staff:{boss.pk}\b", text) + raw:
                wrong[f"{model._meta.label} {path}"] = found[:3]
    assert wrong == {}


def test_no_list_of_the_sidebar_begins_with_an_id_or_says_the_unit_twice():
    """A row is called by what people know of it; the amounts have their unit, so that a column of units says it again."""
    wrong = {}
    for model, page in admin.site._registry.items():
        columns = list(page.list_display)
        amounts = {field.name for field in model._meta.concrete_fields if isinstance(field, MoneyField) and not field.null}
        if getattr(page, "in_sidebar", False) and (columns[0] == "id" or (UNITS & set(columns) and amounts & set(columns))):
            wrong[model._meta.label] = columns
    assert wrong == {}


def test_an_app_that_is_called_as_its_list_stands_once_in_the_path_above_the_page(office):
    html = office.get("/admin/rules/spendingrule/").content.decode()
    path = re.search("<h1.*?</h1>", html, re.DOTALL)[0]
    assert TAG.sub(" ", path).split() == ["Spending", "rules"]


def test_a_short_word_with_a_hyphen_and_a_short_id_stay_in_one_line_of_a_list(office):
    who = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}
    row = record_transaction(**who, amount=Decimal(1), type="topup", reference_id="INV-2026-0011").row
    assert '<td class="ch-id" data-label="Reference">INV-2026-0011</td>' in office.get("/admin/billing/transaction/").content.decode()
    text = f"chat of {row.id!s}, and no more"
    assert str(with_unbroken_ids(with_short_ids(text))) == f'chat of <span class="ch-id">…{str(row.id)[-8:]}</span>, and no more'


def test_plain_numbers_of_a_list_are_aligned_right_as_amounts_are(office, boss):
    fill_every_table(TenantFactory(name="Acme"), boss)
    counts = (("metering/rollup", "transactions", "Calls"), ("backoffice/daysum", "entries", "Entries"))
    for path, name, label in counts:
        html = office.get(f"/admin/{path}/").content.decode()
        assert f'<td class="ch-plain" data-label="{label}">' in html
        assert re.search(f'<th scope="col" class="[^"]*column-{name} ch-plain"', html)
    assert "ch-plain" not in office.get("/admin/tenants/tenant/").content.decode()


def test_the_name_of_several_rows_reads_well_after_a_number():
    """The foot of a list counts them: "6 usage records", not "6 usage of calls"."""
    same = {model._meta.label for model in WITH_PAGES if model._meta.verbose_name == model._meta.verbose_name_plural}
    assert same == set()


def test_every_empty_list_says_why_and_what_makes_a_row(office):
    wrong = {}
    for model, page in admin.site._registry.items():
        html = office.get(list_of(model)).content.decode()
        if model._meta.app_label != "auth" and ("No " not in html or len(page.next_step) < 20 or escape(page.next_step) not in html):
            wrong[model._meta.label] = page.next_step
    # These have rows from the migrations, or of the reader.
    assert wrong.keys() <= {"backoffice.Change"}
    tenant = TenantFactory()
    record_transaction(tenant_id=tenant.id, actor="command:test", request_id="", amount=Decimal(1), type="topup", reference_id="a")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_transaction DISABLE TRIGGER USER")
        old = "created_at - interval '40 days', id = overlay(id::text PLACING '01900000-0000' FROM 1 FOR 13)::uuid"
        cursor.execute(f"UPDATE billing_transaction SET created_at = {old}")
    html = office.get("/admin/billing/transaction/").content.decode()
    assert "Nothing booked in the last 30 days" in html
    assert "?window=all" in html


def test_any_text_can_be_searched_for_in_every_list(office):
    statuses = {
        f"{model._meta.label} {term}": office.get(list_of(model), {"q": term}, follow=True).status_code
        for model in WITH_PAGES
        for term in ("127.0.0.1/8", "9" * 400, "٣", "\\")
    }
    assert {search: status for search, status in statuses.items() if status != 200} == {}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "query",
    [
        "created_at_to_0=9999-12-31",
        "created_at_from_0=0001-01-01",
        "created_at_from_0=2200-01-02&created_at_from_1=00:00:00",
        "created_at_to_0=nonsense",
        "created_at__year=99999999999999999999",
        "created_at__gte=99999-01-01",
        "created_at__date=0000-00-00",
        "created_at__hour=x",
        "id__gt=x",
    ],
)
def test_a_filter_out_of_range_is_removed_and_says_so(office, boss, query, zone):
    StaffProfile.objects.create(user=boss, time_zone=zone)
    for model in LEDGER_ROWS:
        response = office.get(f"{list_of(model)}?{query}", follow=True)
        assert response.status_code == 200, model
    if query.startswith(("created_at_to_0", "created_at_from_0", "created_at__year")):
        assert "filter was removed" in response.content.decode()


@pytest.mark.parametrize("query", ["amount__gte=1e999999", "amount__gte=1" + "0" * 200, "entry_number=99999999999999999999999"])
def test_a_number_out_of_range_in_a_filter_is_no_error(office, query):
    response = office.get(f"/admin/billing/transaction/?{query}", follow=True)
    assert response.status_code == 200


def test_an_export_of_a_list_with_a_filter_out_of_range_is_not_found(office):
    address = "/admin/billing/transaction/?created_at_to_0=9999-12-31"
    assert office.get("/admin/backoffice/export/start/", {"from": address, "format": "csv"}).status_code == 404
    address = "/admin/billing/transaction/?created_at__year=99999999999999999999"
    assert office.get("/admin/backoffice/export/start/", {"from": address, "format": "csv"}).status_code == 404


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("moment", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_a_moment_at_the_end_of_the_calendar_is_shown_in_every_time_zone(moment, zone):
    with timezone.override(ZoneInfo(zone)):
        assert moment.isoformat() in str(local_time(moment))


@pytest.mark.parametrize("zone", ZONES)
def test_a_row_with_a_moment_at_the_end_of_the_calendar_does_not_break_its_list(office, boss, zone):
    StaffProfile.objects.create(user=boss, time_zone=zone)
    key = IssuedKeyFactory().key
    with connection.cursor() as cursor:
        cursor.execute("UPDATE tenants_apikey SET expires_at = '9999-12-31 23:59:59Z', last_used_at = '0001-01-01 00:00:00Z'")
    assert ApiKey.objects.get(id=key.id).expires_at.year == 9999
    for path in ("", f"{key.id}/change/"):
        assert "9999-12-31" in office.get(f"/admin/tenants/apikey/{path}").content.decode()


def test_every_form_of_a_setting_has_labels_in_words():
    forms, wrong = [SettingForm], {}
    for form in forms:
        forms += form.__subclasses__()
        for name, field in form.base_fields.items():
            label = str(field.label or "")
            if label != "ID" and (not label or COLUMN_WORD.search(label) or CODE.search(label) or re.search("[a-z][A-Z]", label)):
                wrong[f"{form.__name__}.{name}"] = label
    assert len(forms) > 30
    assert wrong == {}
