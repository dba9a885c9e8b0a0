"""The admin as a whole: everything is in it, and nobody writes there."""

from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext
from django.utils.safestring import mark_safe

from backoffice import site as office_site
from kernel.ledger.admin.base import TitledRow
from kernel.tenants import services
from kernel.tenants.admin.read_only import ReadOnly
from kernel.tenants.models import ApiKey, Tenant
from tests.backoffice.staff_members import employ
from tests.factories import IssuedKeyFactory, TenantFactory

OURS = ("tenants", "backfills", "corrections", "backoffice", "billing", "metering", "credits")
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models()]


@pytest.fixture
def issued():
    return IssuedKeyFactory(tenant=TenantFactory(name="Acme Robotics"), name="production")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_is_in_the_admin(model):
    assert admin.site.is_registered(model), (
        f"Register {model._meta.label} in its app's admin.py, as a subclass of kernel.ledger.admin.LedgerAdmin."
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_superuser_has_no_right_to_write_any_of_them(rf, boss, model):
    page = admin.site.get_model_admin(model)
    request = rf.get("/admin/")
    request.user = boss
    assert isinstance(page, ReadOnly)
    assert page.get_model_perms(request) == {"add": False, "change": False, "delete": False, "view": True}
    assert "delete_selected" not in page.get_actions(request)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_list_opens_and_asks_no_more_than_a_handful_of_queries(office, model, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        response = office.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/")
    assert response.status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_adding_is_refused_everywhere(office, model):
    address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/add/"
    assert (office.get(address).status_code, office.post(address, {}).status_code) == (403, 403)


@pytest.mark.parametrize("page", ["change/", "delete/"])
def test_a_tenant_can_be_neither_changed_nor_deleted_by_its_address(office, issued, page):
    response = office.post(f"/admin/tenants/tenant/{issued.key.tenant_id}/{page}", {"name": "Other", "post": "yes"})
    assert response.status_code == 403
    assert Tenant.objects.get(id=issued.key.tenant_id).name == "Acme Robotics"


def test_a_selection_can_not_be_deleted(office, issued):
    selection = {"action": "delete_selected", "_selected_action": [str(issued.key.id)], "post": "yes"}
    office.post("/admin/tenants/apikey/", selection)
    assert ApiKey.objects.filter(id=issued.key.id).exists()


def test_a_key_is_shown_by_prefix_scopes_and_state_and_never_its_digest(office, issued):
    response = office.get(f"/admin/tenants/apikey/{issued.key.id}/change/")
    html = response.content.decode()
    assert response.status_code == 200
    assert issued.key.prefix in html
    assert "billing:read, billing:write" in html
    assert f"{ApiKey.objects.get().created_at:%Y-%m-%d %H:%M:%S} UTC" in html
    assert bytes(issued.key.secret_digest).hex() not in html
    assert "digest" not in html.lower()
    assert issued.secret not in html


@pytest.mark.parametrize("state", ["active", "expired", "revoked"])
def test_the_list_says_whether_a_key_still_works(office, state):
    expires_at = datetime.now(UTC) - timedelta(days=1) if state == "expired" else None
    issued = IssuedKeyFactory(expires_at=expires_at)
    if state == "revoked":
        services.revoke_api_key(prefix=issued.key.prefix, actor="command:test")
    page = admin.site.get_model_admin(ApiKey)
    assert page.state(ApiKey.objects.get()) == state
    assert f">{state}<" in "".join(office.get("/admin/tenants/apikey/").content.decode().split())


def test_a_list_costs_the_same_with_one_row_and_with_many(office, django_assert_num_queries):
    for _ in range(3):
        IssuedKeyFactory()
    # The session, the member of staff, their limits and saved views, the estimate, the count and the rows.
    queries = 7
    with django_assert_num_queries(queries):
        office.get("/admin/tenants/apikey/")
    for _ in range(10):
        IssuedKeyFactory()
    with django_assert_num_queries(queries):
        office.get("/admin/tenants/apikey/")


def test_a_nul_in_a_filter_or_a_search_is_dropped(office):
    response = office.get("/admin/tenants/tenant/?q=%00")
    assert (response.status_code, response["Location"]) == (302, "/admin/tenants/tenant/")


def test_the_sidebar_is_by_task_and_every_list_is_in_it_or_on_the_page_of_another_row(rf, boss):
    request = rf.get("/admin/")
    request.user = boss
    first, *sections = office_site.navigation(request)
    assert [item["title"] for item in first["items"]] == ["Home", "Customers"]
    assert [section["title"] for section in sections] == list(office_site.NAVIGATION)
    named = [name for names in office_site.NAVIGATION.values() for name in names]
    assert len([item for section in sections for item in section["items"]]) == len(named) == len(set(named))


@pytest.mark.parametrize(("local", "badge"), [(True, "Local"), (False, "Production")])
def test_every_page_says_which_books_these_are(office, settings, local, badge):
    settings.LOCAL = local
    assert badge in office.get("/admin/").content.decode()


@pytest.mark.django_db
def test_the_login_page_is_ours_and_loads_nothing_from_outside(client):
    html = client.get("/admin/login/").content.decode()
    assert "Countinghouse" in html
    assert 'src="http' not in html
    assert '<link href="http' not in html


@pytest.mark.django_db
def test_who_is_not_staff_gets_no_further_than_the_login_page(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("visitor", password="visitor-password"))
    response = client.get("/admin/tenants/apikey/")
    assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/tenants/apikey/")


def test_staff_accounts_can_be_made_and_their_passwords_set(office, django_user_model):
    password = "a-long-enough-secret"
    form = {"username": "clerk", "usable_password": "true", "password1": password, "password2": password}
    assert office.post("/admin/auth/user/add/", form).status_code == 302
    assert django_user_model.objects.get(username="clerk").check_password(password)


def test_the_list_of_staff_says_the_roles_of_each_in_one_query(office):
    employ("clara", "viewer", "clerk")
    with CaptureQueriesContext(connection) as few:
        office.get("/admin/auth/user/")
    for name in ("anna", "olga", "victor"):
        employ(name, "approver")
    with CaptureQueriesContext(connection) as many:
        html = office.get("/admin/auth/user/").content.decode()
    assert '<td data-label="Roles">clerk, viewer</td>' in html
    assert len(many) == len(few)


@pytest.mark.parametrize("path", ["/admin/nothing/", "/admin/backoffice/export/start/?from=/x/"])
def test_an_error_page_of_the_office_leads_back_into_it(office, path):
    response = office.get(path)
    html = response.content.decode()
    assert response.status_code == 404
    assert 'href="/admin/">To the back office</a>' in html
    assert "API docs</a></p>" not in html


@pytest.mark.django_db
def test_a_refusal_of_the_office_leads_back_into_it(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody", password="a-long-password", is_staff=True))
    response = client.get("/admin/billing/transaction/")
    assert (response.status_code, "To the back office" in response.content.decode()) == (403, True)


def test_the_path_above_a_page_writes_a_name_as_its_owner_does_and_escapes_it_once():
    template = Template("{% load page_titles %}{{ part|page_title }}")

    def title_of(part):
        return template.render(Context({"part": part}))

    assert (title_of("wallets"), title_of(TitledRow(None, "waiting to posted"))) == ("Wallets", "Waiting to posted")
    names = ["https://example.com/hooks", "hotline-voice", "openai"]
    assert [title_of(TitledRow(None, name)) for name in names] == names
    assert (title_of(TitledRow(None, "A & B")), title_of(mark_safe("A &amp; B"))) == ("A &amp; B", "A &amp; B")
