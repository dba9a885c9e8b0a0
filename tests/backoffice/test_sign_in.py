"""Signing in to the back office: limited, recorded, logged; and how the first account is made."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from backoffice.models import SignIn
from backoffice.staff.sign_in import MAX_FAILURES_PER_ADDRESS, MAX_FAILURES_PER_NAME
from kernel.tenants.staff_roles import roles_of
from kernel.tenants.staff_scope import scope_of
from tests.backoffice.staff_members import PASSWORD, employ
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
LOGIN = "/admin/login/"


@pytest.fixture
def victor():
    return employ("victor", "viewer")


def sign_in(name="victor", password=PASSWORD, **headers):
    return Client().post(LOGIN, {"username": name, "password": password}, **headers)


def test_after_a_sign_in_the_office_opens(victor):
    response = Client().post(LOGIN, {"username": "victor", "password": PASSWORD}, follow=True)
    assert (response.status_code, response.redirect_chain[-1][0]) == (200, "/admin/")


def test_the_right_password_is_refused_after_too_many_wrong_ones(victor):
    for _ in range(MAX_FAILURES_PER_NAME):
        assert b"Too many attempts" not in sign_in(password="wrong").content
    response = sign_in()
    assert (response.status_code, b"Too many attempts" in response.content, response["Retry-After"]) == (429, True, "900")
    SignIn.objects.update(at=timezone.now() - timedelta(minutes=16))
    assert sign_in().status_code == 302


def test_a_refused_sign_in_says_why_once(victor):
    page = sign_in(password="wrong").content.decode()
    assert page.count("errornote") == 1
    assert "Please enter the correct username and password" in page


def test_a_success_clears_the_failures_before_it(victor):
    for _ in range(3):
        for _ in range(MAX_FAILURES_PER_NAME - 1):
            sign_in(password="wrong")
        assert sign_in().status_code == 302


def test_an_unknown_name_is_limited_like_a_known_one():
    for _ in range(MAX_FAILURES_PER_NAME):
        sign_in("nobody")
    assert b"Too many attempts" in sign_in("nobody").content


def test_one_address_can_not_try_a_password_on_many_names(victor):
    SignIn.objects.bulk_create(
        SignIn(name_digest=str(number), address="192.0.2.7", outcome="failed") for number in range(MAX_FAILURES_PER_ADDRESS)
    )
    assert b"Too many attempts" in sign_in(REMOTE_ADDR="192.0.2.7").content
    assert sign_in(REMOTE_ADDR="192.0.2.8").status_code == 302


def test_every_attempt_is_recorded_and_logged_without_what_was_typed(victor, caplog):
    sign_in("my-password-in-the-wrong-field", "x")
    sign_in(password="wrong")
    sign_in()
    rows = list(SignIn.objects.order_by("id").values_list("user__username", "outcome", "address"))
    assert rows == [(None, "failed", "127.0.0.1"), ("victor", "failed", "127.0.0.1"), ("victor", "ok", "127.0.0.1")]
    lines = [record.msg for record in caplog.records if record.name == "countinghouse.sign_in"]
    assert [(line["outcome"], line["staff"]) for line in lines] == [("failed", None), ("failed", victor.pk), ("ok", victor.pk)]
    assert "my-password" not in str(lines)


def test_only_a_superuser_sees_the_sign_ins(office, victor):
    assert office.get("/admin/backoffice/signin/").status_code == 200
    client = Client()
    client.force_login(victor)
    assert client.get("/admin/backoffice/signin/").status_code == 403


def test_the_first_member_of_staff_is_made_by_a_command_with_a_password_shown_once():
    out = StringIO()
    call_command("create_staff", "olga", "--superuser", stdout=out)
    password = re.search("only now: (\\S+)", out.getvalue())[1]
    assert sign_in("olga", password).status_code == 302
    with pytest.raises(CommandError, match="already exists"):
        call_command("create_staff", "olga", "--superuser")


def test_a_member_of_staff_is_made_with_roles_and_tenants():
    tenant = TenantFactory(slug="acme")
    call_command("create_staff", "clara", "--role", "clerk", "--role", "viewer", "--tenant", "acme", stdout=StringIO())
    user = User.objects.get(username="clara")
    assert (roles_of(user), scope_of(user).tenant_ids) == ({"clerk", "viewer"}, {tenant.id})
    for arguments in (["x"], ["x", "--role", "clerk", "--tenant", "nobody"], ["x", "--superuser", "--tenant", "acme"]):
        with pytest.raises(CommandError):
            call_command("create_staff", *arguments)
    assert not User.objects.filter(username="x").exists()
