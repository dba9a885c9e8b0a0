"""Who may do what: every role at every page and every action, by GET and by POST; and nobody beyond the tenants they are given."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from backoffice.models import Customer
from billing import services as billing
from billing.models import Transaction as BillingTransaction
from credits import services as credits
from kernel.corrections import services as corrections
from kernel.corrections.kinds import list_kinds
from kernel.corrections.models import CorrectionComment, CorrectionRequest
from kernel.corrections.services import CorrectionDraft
from kernel.events.services import endpoints
from kernel.events.services.event_writer import write_event
from kernel.events.services.fan_out import fan_out
from kernel.ledger.base_models import LedgerRow
from kernel.tenants.models import StaffProfile, StaffTenant
from kernel.tenants.staff_roles import ROLES
from metering import services as metering
from metering.paying import services as paying
from metering.rules import services as rules
from tests.backoffice.staff_members import employ, log_in
from tests.factories import IssuedKeyFactory, TenantFactory

pytestmark = pytest.mark.django_db
OURS = ("tenants", "backfills", "corrections", "events", "backoffice", "billing", "metering", "rules", "paying", "credits")
# Rows without a tenant that name members of staff.
FOR_SUPERUSERS = {"backoffice.SignIn", "tenants.StaffProfile", "tenants.StaffTenant"}
WITH_PAGES = [model for app in OURS for model in apps.get_app_config(app).get_models() if admin.site.is_registered(model)]
MODELS = [model for model in WITH_PAGES if model._meta.label not in FOR_SUPERUSERS]
EVERYBODY = [*ROLES, "nobody"]
ASK = "/admin/corrections/correctionrequest/new/"
REASON = {"reason_code": "other", "reason": "Wrong."}
WHO = {"actor": "command:test", "request_id": "test"}


def list_of(model):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


class Book:
    """A tenant with a row of everything that staff work on."""

    def __init__(self, name):
        self.tenant = TenantFactory(name=name)
        self.key = IssuedKeyFactory(tenant=self.tenant, name=f"key of {name}").key
        context = {"tenant_id": self.tenant.id, **WHO}
        self.topup = billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id=f"top of {name}").row
        self.usage = billing.record_transaction(**context, amount=Decimal(30), type="usage", reference_id=f"use of {name}").row
        grant = {"customer_id": f"customer of {name}", "name": f"grant of {name}", "unit_type": "CURRENCY", "currency": "USD"}
        self.grant = credits.create_grant(**context, **grant, amount=Decimal(50)).row
        credits.create_recurring_grant(**context, **grant, amount=Decimal(5))
        cost = {"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": True}
        names = {"service_name": f"service of {name}", "action_name": "a", "resource_name": "r", "agent_name": f"agent of {name}"}
        self.metered = metering.record_transaction(**context, **names, costs=[cost]).row
        self.request = self.ask()
        billing.set_policy(**context, strict_types=False)
        billing.place_hold(**context, amount=Decimal(1), expires_at=timezone.now() + timedelta(days=1), reference_id=f"hold of {name}")
        hold = {"customer_id": grant["customer_id"], "currency": "USD", "expires_at": timezone.now() + timedelta(days=1)}
        credits.place_hold(**context, **hold, amount=Decimal(1))
        metering.set_policy(**context, holds_estimates=True)
        metering.record_transaction(**context, **names, costs=[cost])
        metering.set_policy(**context, holds_estimates=False)
        paying.set_payer(**context, payer="ledger", is_enabled=True)
        metering.declare_key(**context, place="metadata", name="region")
        metering.set_price(**context, units=[{"fact_key": "n", "amount": Decimal(1)}], valid_from=timezone.now())
        corrections.set_threshold(tenant_id=self.tenant.id, actor="x", unit="EUR", amount=Decimal(1))
        credits.set_policy(**context, expiring_days=14)
        credits.set_balance_alert(**context, customer_id=grant["customer_id"], currency="USD", alert_below=Decimal(5))
        listener = {"url": "https://example.com/hooks", "enabled_events": ["*"]}
        self.endpoint = endpoints.create_endpoint(**context, **listener, description=f"endpoint of {name}").row
        write_event(tenant_id=self.tenant.id, type="webhook_endpoint.disabled", snapshot={"id": f"event of {name}"})
        fan_out()
        Customer.objects.create(tenant=self.tenant, customer_id=grant["customer_id"], name=f"name of {name}", updated_by="x")
        self.rule = rules.create_rule(**context, name=f"rule of {name}", rule_type="blocklist").row

    def ask(self):
        draft = CorrectionDraft(self.tenant.id, "billing.reverse", (self.usage.id,), {}, "other", f"reason of {self.tenant.name}")
        seen = corrections.preview_correction(actor="staff:0", draft=draft).digest
        return corrections.request_correction(actor="staff:0", request_id="", draft=draft, preview_digest=seen)

    @property
    def pages(self):
        """The page of a row of each kind."""
        return [
            f"/admin/tenants/tenant/{self.tenant.id}/change/",
            f"/admin/tenants/apikey/{self.key.id}/change/",
            f"/admin/billing/transaction/{self.usage.id}/change/",
            f"/admin/billing/wallet/{self.usage.wallet_id}/change/",
            f"/admin/billing/wallet/{self.usage.wallet_id}/statement/",
            f"/admin/credits/grant/{self.grant.id}/change/",
            f"/admin/customers/customer/?tenant={self.tenant.id}&id={self.grant.customer_id}",
            f"/admin/customers/statement/?tenant={self.tenant.id}&id={self.grant.customer_id}",
            f"/admin/metering/transaction/{self.metered['id']}/change/",
            f"/admin/rules/spendingrule/{self.rule['id']}/change/",
            f"/admin/events/endpoint/{self.endpoint.id}/change/",
            f"/admin/corrections/correctionrequest/{self.request.id}/change/",
        ]


@pytest.fixture
def book():
    return Book("Acme")


@pytest.fixture
def seat():
    """The browser of somebody with one role, or none."""
    return lambda role: log_in(employ(role, role))


def test_the_roles_are_there_by_migration():
    assert set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True)) == set(ROLES)


@pytest.mark.parametrize("role", EVERYBODY)
def test_every_list_opens_only_for_the_roles_that_may_view_it(seat, role):
    client = seat(role)
    statuses = {model._meta.label: client.get(list_of(model)).status_code for model in MODELS}
    expected = 403 if role == "nobody" else 200
    assert {label: status for label, status in statuses.items() if status != expected} == {}


@pytest.mark.parametrize("role", EVERYBODY)
def test_every_row_can_be_read_by_every_role_and_sent_by_none(seat, book, role):
    client = seat(role)
    assert {client.get(page).status_code for page in book.pages} == {403 if role == "nobody" else 200}
    sent = {client.post(page, {"_save": "Save", "name": "x"}).status_code for page in book.pages if page.endswith("/change/")}
    assert sent == {403}


@pytest.mark.parametrize("role", EVERYBODY)
def test_staff_accounts_are_for_superusers(seat, role):
    client = seat(role)
    assert {
        client.get(f"/admin/{page}/").status_code
        for page in ("auth/user", "auth/group", "backoffice/signin", "tenants/staffprofile", "tenants/stafftenant")
    } == {403}
    assert client.post("/admin/auth/user/add/", {"username": "x"}).status_code == 403


@pytest.mark.parametrize("role", EVERYBODY)
def test_only_clerks_make_requests(seat, book, role):
    client = seat(role)
    allowed = role == "clerk"
    before = CorrectionRequest.objects.count()
    body = {"kind": "billing.reverse", "row": str(book.topup.id), **REASON}
    assert client.get(ASK, {"kind": "billing.reverse", "row": str(book.topup.id)}).status_code == (200 if allowed else 403)
    seen = corrections.preview_correction(
        actor="x", draft=CorrectionDraft(book.tenant.id, "billing.reverse", (book.topup.id,), {}, "other", "Wrong.")
    ).digest
    assert client.post(ASK, {**body, "step": "preview"}).status_code == (200 if allowed else 403)
    assert client.post(ASK, {**body, "step": "confirm", "preview_digest": seen}).status_code == (302 if allowed else 403)
    assert CorrectionRequest.objects.count() == before + allowed


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("label", ["billing.transaction", "credits.grant", "credits.credittransaction", "metering.cost"])
def test_only_clerks_find_the_links_to_corrections(seat, book, role, label):
    client = seat(role)
    model = apps.get_model(label)
    row = model.objects.first()
    page = client.get(f"{list_of(model)}{row.pk}/change/").content.decode()
    offered = f"{ASK}?kind=" in page
    assert offered == (role == "clerk" and any(kind.applies_to(row) for kind in list_kinds(label)))
    action = next(f"correct_{kind.code}" for kind in list_kinds(label) if kind.takes_many)
    listed = client.get(list_of(model), {"window": "all"}).content.decode()
    assert (f'value="{action}"' in listed) == (role == "clerk")
    response = client.post(list_of(model), {"action": action, "_selected_action": [str(row.pk)]})
    assert (b"Show what would be posted" in response.content) == (role == "clerk")


@pytest.mark.parametrize(("verb", "roles"), [("approve", {"approver"}), ("reject", {"approver"}), ("comment", {"approver", "clerk"})])
@pytest.mark.parametrize("role", EVERYBODY)
def test_only_approvers_decide_requests(seat, book, role, verb, roles):
    client = seat(role)
    address = f"/admin/corrections/correctionrequest/{book.request.id}/decide/"
    response = client.post(address, {"decision": verb, "version": "1", "text": "Because."})
    assert response.status_code == (302 if role in roles else 403)
    assert client.get(address).status_code == (403 if role == "nobody" else 302)
    book.request.refresh_from_db()
    changed = book.request.state != "waiting" or CorrectionComment.objects.exists()
    assert changed == (role in roles)


@pytest.mark.parametrize("role", EVERYBODY)
def test_clerks_withdraw_only_their_own(seat, book, role):
    response = seat(role).post(f"/admin/corrections/correctionrequest/{book.request.id}/decide/", {"decision": "withdraw"})
    assert response.status_code == (302 if role == "clerk" else 403)
    book.request.refresh_from_db()
    assert book.request.state == "waiting"


# Actions that change no setting: those that only read, the decisions of approvers, and the files of clerks.
OTHER_ACTIONS = {
    "keep_duplicate",
    "open_wallet",
    "dry_run",
    "allow_call",
    "deny_call",
    "types",
    "download_rejects",
    "new_file",
    "release_payment",
}
LIST_SETTINGS = [(model, name) for model in MODELS for name in admin.site.get_model_admin(model).actions_list if name not in OTHER_ACTIONS]
ROW_SETTINGS = [(model, name) for model in MODELS for name in admin.site.get_model_admin(model).actions_detail if name not in OTHER_ACTIONS]


def setting_paths(book):
    """The address of every setting, with a row or the tenant of the book."""
    paths = [f"{list_of(model)}{name.replace('_', '-')}/?tenant={book.tenant.id}" for model, name in LIST_SETTINGS]
    for model, name in ROW_SETTINGS:
        tenant = {"pk": book.tenant.id} if model._meta.label == "tenants.Tenant" else {"tenant": book.tenant}
        row = model._base_manager.filter(**tenant).first()
        assert row is not None, model
        paths.append(f"{list_of(model)}{row.pk}/{name.replace('_', '-')}/")
    return paths


def test_the_settings_are_those_of_twenty_tables():
    assert len({model for model, _ in LIST_SETTINGS + ROW_SETTINGS}) == 20


@pytest.mark.parametrize("role", EVERYBODY)
def test_only_operators_change_settings(seat, book, role):
    client = seat(role)
    statuses = {}
    for path in setting_paths(book):
        shown, sent = client.get(path).status_code, client.post(path, {"direction": "nonsense", "step": "preview"}).status_code
        statuses[path] = (shown, sent)
    expected = (200, 200) if role == "operator" else (403, 403)
    assert {path: status for path, status in statuses.items() if status != expected} == {}


@pytest.mark.parametrize("role", EVERYBODY)
def test_every_role_exports_what_it_sees(seat, book, role):
    client = seat(role)
    for page in ("billing/transaction", "credits/grant", "metering/cost", "tenants/tenant"):
        for format in ("csv", "xlsx"):
            response = client.get("/admin/backoffice/export/start/", {"from": f"/admin/{page}/", "format": format})
            assert response.status_code == (403 if role == "nobody" else 200)
            b"".join(response.streaming_content) if response.streaming else None


# ---- limited to some tenants


@pytest.fixture
def foreign():
    return Book("Foreign")


@pytest.fixture
def limited(book, foreign):
    """Browsers of people with every role who see Acme alone."""
    return log_in(employ("limited", *ROLES, tenants=[book.tenant]))


def test_who_is_limited_reads_their_tenants_rows_and_no_others(limited, book, foreign):
    assert {limited.get(page).status_code for page in book.pages} == {200}
    assert not {limited.get(page).status_code for page in foreign.pages} & {200}
    assert "Foreign" not in "".join(limited.get(page).content.decode() for page in book.pages if "statement" not in page)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_list_shows_a_limited_user_another_tenants_row(limited, foreign, model):
    response = limited.get(list_of(model), {"window": "all"} if issubclass(model, LedgerRow) else {})
    assert response.status_code == 200
    rows = response.context["cl"].result_list
    tenants = {row.pk if model._meta.label == "tenants.Tenant" else getattr(row, "tenant_id", None) for row in rows}
    assert foreign.tenant.id not in tenants
    html = response.content.decode()
    assert "Foreign" not in html


def test_no_search_finds_another_tenants_row_for_a_limited_user(limited, foreign):
    for term in (str(foreign.usage.id), "use of Foreign", "customer of Foreign", str(foreign.tenant.id), "Foreign"):
        assert "of Foreign" not in limited.get("/admin/search/", {"s": term, "extended": "1"}).content.decode().replace(term, "")
    rows = limited.get("/admin/billing/transaction/", {"q": "use of Foreign"}).context["cl"].result_list
    assert list(rows) == []


def test_no_export_holds_another_tenants_row_for_a_limited_user(limited, foreign):
    for page in ("billing/transaction/?window=all", "credits/grant/?window=all", "tenants/tenant/", "tenants/apikey/"):
        response = limited.get("/admin/backoffice/export/start/", {"from": f"/admin/{page}", "format": "csv"})
        assert "Foreign" not in b"".join(response.streaming_content).decode()


def test_no_correction_reaches_a_foreign_row(limited, book, foreign):
    body = {"kind": "billing.reverse", **REASON}
    for rows in ([str(foreign.usage.id)], [str(book.usage.id), str(foreign.usage.id)]):
        assert limited.get(ASK, {"kind": "billing.reverse", "row": rows}).status_code == 302
        for step in ("preview", "confirm"):
            assert limited.post(ASK, {**body, "row": rows, "step": step}).status_code == 302
    selection = {"action": "correct_billing.reverse", "_selected_action": [str(foreign.usage.id)], "window": "all"}
    limited.post("/admin/billing/transaction/", selection)
    answer = f"/admin/corrections/correctionrequest/{foreign.request.id}/decide/"
    for verb in ("approve", "reject", "comment", "withdraw"):
        assert limited.post(answer, {"decision": verb, "version": "1", "text": "x"}).status_code == 404
    foreign.request.refresh_from_db()
    assert foreign.request.state == "waiting"
    assert CorrectionRequest.objects.count() == 2


def test_a_debit_is_not_moved_to_a_foreign_grant(limited, book, foreign):
    context = {"tenant_id": book.tenant.id, **WHO}
    debit = credits.record_transaction(**context, grant_id=book.grant.id, type="DEBIT", amount=Decimal(5))
    body = {"kind": "credits.move", "row": str(debit.row.id), "grant_id": str(foreign.grant.id), **REASON, "step": "preview"}
    assert "There is no such grant" in limited.post(ASK, body).content.decode()


def test_no_setting_of_a_foreign_row_or_tenant_is_shown_or_changed(limited, foreign):
    for path in setting_paths(foreign):
        for response in (limited.get(path), limited.post(path, {"name": "x", "step": "confirm"})):
            assert "Foreign" not in response.content.decode()
            assert response.status_code == 404 or "Select a valid choice" in response.content.decode() or "new-tenant" in path


# ---- nobody edits a ledger


@pytest.mark.parametrize("page", ["add/", "{id}/change/", "{id}/delete/"])
def test_a_superuser_edits_no_entry_by_any_address(office, book, page):
    before = BillingTransaction.objects.values_list("id", "amount").get(id=book.usage.id)
    response = office.post(f"/admin/billing/transaction/{page.format(id=book.usage.id)}", {"amount": "1", "post": "yes", "_save": "Save"})
    assert response.status_code == 403
    assert BillingTransaction.objects.values_list("id", "amount").get(id=book.usage.id) == before


@pytest.mark.parametrize("model", [model for model in MODELS if issubclass(model, LedgerRow)], ids=lambda model: model._meta.label)
def test_no_action_of_any_list_deletes_or_edits(office, model):
    names = set(admin.site.get_model_admin(model).get_actions(office.get("/admin/").wsgi_request))
    # A decision about a near-duplicate is a row of its own and changes no entry.
    assert all(name.startswith("correct_") for name in names - {"keep_selected"})


@pytest.mark.parametrize(
    "write",
    [
        lambda row: (setattr(row, "amount", Decimal(1)), row.save()),
        lambda row: row.delete(),
        lambda row: type(row).objects.filter(pk=row.pk).update(amount=1),
        lambda row: type(row).objects.filter(pk=row.pk).delete(),
        lambda row: type(row)._base_manager.filter(pk=row.pk)._raw_delete("default"),
        lambda row: type(row).objects.bulk_update([row], ["reference_id"]),
    ],
    ids=["save", "delete", "update", "delete of a query", "raw delete", "bulk update"],
)
def test_a_shell_edits_no_entry(book, write):
    row = BillingTransaction.objects.get(id=book.usage.id)
    with pytest.raises((DatabaseError, models.ProtectedError)), transaction.atomic():
        write(row)
    row.refresh_from_db()
    assert row.amount == Decimal(30)


def test_limits_are_counted_anew_for_each_request(book):
    user = employ("later", "viewer")
    client = log_in(user)
    page = book.pages[2]
    assert client.get(page).status_code == 200
    StaffProfile.objects.filter(user=user).update(sees_all_tenants=False)
    assert client.get(page).status_code == 302
    StaffTenant.objects.create(profile=user.profile, tenant=book.tenant)
    assert client.get(page).status_code == 200


def test_the_question_before_a_group_is_deleted_names_it_and_the_people_who_lose_it(office):
    employ("clara", "clerk", first_name="Clara", last_name="Klein")
    group = Group.objects.get(name="clerk")
    path = f"/admin/auth/group/{group.pk}/delete/"
    shown = office.get(path).content.decode()
    for words in ("Group “clerk”", "Clara Klein loses what it allows"):
        assert words in shown
    chosen = {"action": "delete_selected", "_selected_action": [group.pk]}
    for html in (shown, office.post("/admin/auth/group/", chosen).content.decode()):
        assert " object (" not in html
        assert "User_groups" not in html


def test_nothing_but_a_group_can_be_deleted_by_a_form(rf, boss):
    request = rf.get("/")
    request.user = boss
    assert {model._meta.label for model, page in admin.site._registry.items() if page.has_delete_permission(request)} == {"auth.Group"}
