"""The commands of the billing ledger print what they changed, and refuse in one line."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.models import Policy, TransactionType, Wallet

pytestmark = pytest.mark.django_db


def run_command(*arguments):
    output = StringIO()
    call_command(*arguments, stdout=output, no_color=True)
    return output.getvalue().strip()


def test_a_type_is_defined(tenant):
    assert (
        run_command("define_billing_type", tenant.slug, "tip", "debit", "--label", "Tip") == f"{tenant.slug}: tip is a debit called 'Tip'"
    )
    kind = TransactionType.objects.get()
    assert (kind.code, kind.direction, kind.created_by) == ("tip", "debit", "command:define_billing_type")


def test_a_direction_in_use_is_refused_in_one_line(tenant, record):
    record(type="tip", amount=1)
    with pytest.raises(CommandError, match="its direction stays signed"):
        run_command("define_billing_type", tenant.slug, "tip", "debit")


def test_a_policy_is_set_and_what_is_not_named_stays(tenant, record):
    record(type="topup", amount=1)
    run_command("set_billing_policy", tenant.slug, "--strict-types", "--default-floor", "-5", "--floor", "USD", "0.5")
    run_command("set_billing_policy", str(tenant.id), "--near-duplicate-seconds", "10", "--longest-hold", "3600")
    policy = Policy.objects.get()
    assert (policy.strict_types, policy.near_duplicate_seconds, policy.default_floor) == (True, 10, Decimal(-5))
    assert Wallet.objects.get().floor == Decimal("0.5")
    answer = run_command("set_billing_policy", tenant.slug, "--no-strict-types", "--default-floor", "none", "--floor", "USD", "none")
    assert answer == f"{tenant.slug}: strict types off, near-duplicates within 10 s, new wallets' floor None, longest hold 3600 s"
    assert Wallet.objects.get().floor is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("nobody",),
        ("TENANT", "--floor", "USD", "2"),
        ("TENANT", "--floor", "usd", "0"),
        ("TENANT", "--floor", "USD", "x"),
        ("TENANT", "--default-floor", "1"),
    ],
)
def test_what_can_not_be_is_refused(tenant, record, arguments):
    record(type="topup", amount=1)
    with pytest.raises(CommandError):
        run_command("set_billing_policy", *[tenant.slug if argument == "TENANT" else argument for argument in arguments])
