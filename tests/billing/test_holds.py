"""/v1/billing/wallet/holds: placing, capturing, extending, releasing and expiring."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
import time_machine
from django.core.management import call_command

from billing import digests, jobs, services
from billing.choices import SHIPPED_TYPES
from billing.errors import FloorAboveBalance
from billing.integrity.checks import CHECKS
from billing.integrity.digests import CHECKS as DIGEST_CHECKS
from billing.models import Transaction, TransactionType, Wallet, WalletHold, WalletHoldEntry
from billing.selectors import list_wallets
from billing.services import holds, postings
from kernel.ledger.errors import InvalidValue
from kernel.ledger.integrity.checks import find_violations
from kernel.ledger.integrity.digests import find_digest_violations
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db
WALLET = "/v1/billing/wallet"
HOLDS = f"{WALLET}/holds"
LATER = "2099-01-01T00:00:00Z"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOON = "2026-06-01T13:00:00Z"


@pytest.fixture
def june():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def funded(record, context):
    """A wallet of 100 with a floor of zero."""
    record(type="topup", amount=100, reference_id="funds")
    services.set_floor(**context, currency="USD", floor=Decimal(0))


@pytest.fixture
def hold(send):
    def hold(amount=40, reference_id="h", **more):
        return send("POST", HOLDS, {"amount": amount, "reference_id": reference_id, "expires_at": LATER} | more)

    return hold


def check(tenant):
    assert list(find_violations(CHECKS, tenant_id=tenant.id)) == []
    for one in DIGEST_CHECKS:
        assert list(find_digest_violations(one, tenant_id=tenant.id)) == []


def wallet(send, query=""):
    [row] = send("GET", WALLET + query).json()["wallets"]
    return row["balance"], row["held"], row["available"]


def act(send, hold_id, what, body=None, **more):
    return send("POST", f"{HOLDS}/{hold_id}/{what}", body or {}, **more)


def test_a_hold_reserves_and_moves_no_balance(send, hold, funded, tenant):
    reply = hold(reason="call 7")
    row = WalletHold.objects.get()
    assert reply.status_code == 200
    assert reply.json() == {
        "id": str(row.id),
        "currency": "USD",
        "amount": 40,
        "captured": 0,
        "held": 40,
        "reference_id": "h",
        "reason": "call 7",
        "allow_overdraft": False,
        "status": "active",
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "created_at": reply.json()["created_at"],
        "closed_at": None,
    }
    assert send("GET", f"{HOLDS}/{row.id}").json() == reply.json()
    assert send("GET", HOLDS).json() == {"items": [reply.json()], "next_cursor": None}
    assert send("GET", f"{HOLDS}?status=active&currency=USD&reference_id=h").json()["items"] == [reply.json()]
    assert send("GET", f"{HOLDS}?status=released").json()["items"] == []
    assert wallet(send) == (100, 40, 60)
    assert Transaction.objects.count() == 1
    check(tenant)


def test_debits_batches_reversals_floors_and_other_holds_see_what_is_available(send, hold, record, funded, tenant, context):
    hold(40)
    first = Transaction.objects.get()
    usage = {"type": "usage", "amount": 60.01, "reference_id": "u"}
    for reply in (
        send("POST", TRANSACTIONS, usage),
        hold(60.01, "other"),
        send("POST", f"{TRANSACTIONS}/{first.id}/reverse", {"amount": 60.01, "reference_id": "part"}),
        send("POST", f"{TRANSACTIONS}/batch", {"transactions": [usage], "atomic": True}),
    ):
        body = reply.json()["results"][0] if "results" in reply.json() else reply.json()
        facts = {"detail": "Insufficient balance", "balance": 100, "held": 40, "available": 60, "requested": 60.01, "floor": 0}
        assert (reply.status_code, facts.items() <= body.items()) == (402, True), reply.json()
    with pytest.raises(FloorAboveBalance) as refused:
        services.set_floor(**context, currency="USD", floor=Decimal("60.01"))
    assert (refused.value.facts["balance"], refused.value.facts["held"]) == (100, 40)
    services.set_floor(**context, currency="USD", floor=Decimal(60))
    services.set_floor(**context, currency="USD", floor=Decimal(0))
    items = [usage | {"amount": 50, "reference_id": "a"}, usage | {"amount": 11, "reference_id": "b"}, usage | {"amount": 10}]
    results = send("POST", f"{TRANSACTIONS}/batch", {"transactions": items}).json()["results"]
    assert [result["status"] for result in results] == [200, 402, 200]
    assert wallet(send) == (40, 40, 0)
    check(tenant)


def test_several_captures_each_post_a_debit_and_never_exceed_the_hold(send, hold, funded, tenant):
    hold_id = hold(40).json()["id"]
    body = {"amount": 10, "final": False, "reference_id": "c1", "agent_id": "writer", "description": "part 1", "metadata": {"a": 1}}
    first = act(send, hold_id, "capture", body)
    assert first.status_code == 200, first.json()
    assert {"status": "active", "captured": 10, "held": 30, "closed_at": None}.items() <= first.json().items()
    debit = send("GET", f"{TRANSACTIONS}/{first.json()['transaction_id']}").json()
    expected = {"type": "usage", "amount": 10, "reference_id": "c1", "agent_id": "writer", "description": "part 1", "metadata": {"a": 1}}
    assert (expected | {"balance": 90, "effect": -10}).items() <= debit.items()
    assert wallet(send) == (90, 30, 60)
    exceeded = act(send, hold_id, "capture", {"amount": 30.01, "final": False, "reference_id": "c2"})
    assert (exceeded.status_code, exceeded.json()["held"], exceeded.json()["requested"]) == (409, 30, 30.01)
    second = act(send, hold_id, "capture", {"final": False, "reference_id": "c2"})
    assert {"status": "active", "captured": 40, "held": 0}.items() <= second.json().items()
    again = act(send, hold_id, "capture", body)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    nothing = act(send, hold_id, "capture")
    assert {"status": "captured", "captured": 40, "held": 0, "transaction_id": None}.items() <= nothing.json().items()
    assert act(send, hold_id, "capture").json() == nothing.json()
    assert wallet(send) == (60, 0, 60)
    assert [entry.kind for entry in WalletHoldEntry.objects.order_by("created_at")] == ["placed", "captured", "captured", "captured"]
    check(tenant)


def test_a_final_capture_releases_the_rest_and_its_debit_has_the_holds_reference(send, hold, funded, tenant):
    hold_id = hold(40, "order 7").json()["id"]
    reply = act(send, hold_id, "capture", {"amount": 15})
    assert {"status": "captured", "captured": 15, "held": 0}.items() <= reply.json().items()
    assert Transaction.objects.get(type="usage").reference_id == "order 7"
    assert wallet(send) == (85, 0, 85)
    assert act(send, hold_id, "capture", {"amount": 15}).headers["Idempotent-Replayed"] == "true"
    other = act(send, hold_id, "capture", {"amount": 16})
    assert (other.status_code, other.json()["fields"]) == (409, ["amount"])
    closed = act(send, hold_id, "release")
    assert (closed.status_code, closed.json()["status"]) == (409, "captured")
    check(tenant)


def test_a_key_is_used_once_and_a_plain_transaction_with_it_is_another_call(send, hold, record, funded, tenant):
    first = hold(10)
    assert hold(10, currency="USD").headers["Idempotent-Replayed"] == "true"
    conflict = hold(11)
    assert (conflict.status_code, conflict.json()["fields"], conflict.json()["first_id"]) == (409, ["amount"], first.json()["id"])
    second = hold(10, "h2").json()["id"]
    act(send, first.json()["id"], "capture", {"amount": 1, "final": False, "reference_id": "c"})
    for hold_id, final, fields in ((second, False, ["hold"]), (first.json()["id"], True, ["final"])):
        conflict = act(send, hold_id, "capture", {"amount": 1, "final": final, "reference_id": "c"})
        assert (conflict.status_code, conflict.json()["fields"]) == (409, fields)
    record(type="usage", amount=1, reference_id="plain")
    conflict = act(send, second, "capture", {"amount": 1, "reference_id": "plain"})
    assert (conflict.status_code, conflict.json()["fields"]) == (409, ["hold"])
    assert wallet(send) == (98, 19, 79)
    check(tenant)


@pytest.mark.parametrize("grown", ["FACTS", "CAPTURE_FACTS"])
def test_calls_recorded_before_a_fact_was_appended_are_replayed(send, hold, record, funded, tenant, monkeypatch, grown):
    """Of entries, of captures, and of the debits of captures."""
    plain = {"type": "usage", "amount": 1, "reference_id": "plain"}
    taken = {"type": "usage", "amount": 2, "reference_id": "taken", "agent_id": "a"}
    hold_id = hold(40).json()["id"]
    capture = {key: value for key, value in taken.items() if key != "type"} | {"final": False}
    record(**plain)
    act(send, hold_id, "capture", capture)
    monkeypatch.setattr(digests, grown, (*getattr(digests, grown), "colour"))
    monkeypatch.setattr(postings if grown == "FACTS" else holds, grown, getattr(digests, grown))
    for reply in (send("POST", TRANSACTIONS, plain), send("POST", TRANSACTIONS, taken), act(send, hold_id, "capture", capture)):
        assert reply.get("Idempotent-Replayed") == "true", reply.json()
    name, names = ("billing_digest", digests.FACTS) if grown == "FACTS" else ("billing_hold_capture_digest", digests.CAPTURE_FACTS)
    [digest_check] = [replace(one, facts=names) for one in DIGEST_CHECKS if one.name == name]
    assert list(find_digest_violations(digest_check, tenant_id=tenant.id)) == []
    check(tenant)


def test_a_release_frees_what_is_left_and_keeps_what_was_captured(send, hold, funded, tenant):
    hold_id = hold(40).json()["id"]
    act(send, hold_id, "capture", {"amount": 5, "final": False, "reference_id": "c"})
    reply = act(send, hold_id, "release", {"reason": "stream broke"})
    assert {"status": "released", "captured": 5, "held": 0}.items() <= reply.json().items()
    assert act(send, hold_id, "release", {"reason": "stream broke"}).json() == reply.json()
    assert act(send, hold_id, "release", {"reason": "other"}).json()["fields"] == ["reason"]
    assert act(send, hold_id, "capture", {"reference_id": "d"}).status_code == 409
    assert wallet(send) == (95, 0, 95)
    check(tenant)


def test_an_overdue_hold_counts_for_nothing_for_every_reader_and_poster(send, hold, funded, tenant, june, context):
    hold_id = hold(40, expires_at=SOON).json()["id"]
    hold(5, "lasting")
    june.shift(timedelta(minutes=59))
    assert wallet(send) == (100, 45, 55)
    june.shift(timedelta(minutes=1))
    assert Wallet.objects.get().held == 45
    assert wallet(send) == (100, 5, 95)
    assert {"status": "expired", "held": 0, "closed_at": "2026-06-01T13:00:00.000000Z"}.items() <= send(
        "GET", f"{HOLDS}/{hold_id}"
    ).json().items()
    assert [row["reference_id"] for row in send("GET", f"{HOLDS}?status=active").json()["items"]] == ["lasting"]
    assert [row["reference_id"] for row in send("GET", f"{HOLDS}?status=expired").json()["items"]] == ["h"]
    closed = act(send, hold_id, "capture")
    assert (closed.status_code, closed.json()["status"]) == (409, "expired")
    assert act(send, hold_id, "extend", {"expires_at": LATER, "reference_id": "e"}).json()["status"] == "expired"
    assert services.expire_hold(**context, hold_id=UUID(hold_id)).replayed
    check(tenant)


@pytest.mark.parametrize("poster", ["single", "array", "hold", "floor", "job", "command"])
def test_the_first_call_after_the_end_of_a_hold_ends_it(send, hold, record, funded, tenant, june, context, poster):
    record(type="usage", amount=0, reference_id="type")
    hold(60, expires_at=SOON)
    hold(30, "second", expires_at=SOON)
    june.shift(timedelta(hours=1))
    if poster == "single":
        record(type="usage", amount=100, reference_id="all")
    elif poster == "array":
        services.record_transactions(
            **context, transactions=[{"type": "usage", "amount": Decimal(50), "reference_id": str(number)} for number in range(2)]
        )
    elif poster == "hold":
        assert hold(100, "all").status_code == 200
    elif poster == "floor":
        services.set_floor(**context, currency="USD", floor=Decimal(100))
    elif poster == "job":
        assert (jobs.expire_holds(timestamp=1), jobs.expire_holds(timestamp=2)) == (2, 0)
    else:
        call_command("expire_wallet_holds", verbosity=0)
    assert Wallet.objects.get().held == (100 if poster == "hold" else 0)
    assert [row.status for row in WalletHold.objects.exclude(reference_id="all")] == ["expired"] * 2
    check(tenant)


def test_an_extension_is_later_within_the_policys_longest_time_and_made_once(send, hold, funded, tenant, june, context):
    services.set_policy(**context, longest_hold_seconds=7200)
    too_long = hold(1, "long", expires_at="2026-06-01T14:00:01Z")
    assert (too_long.status_code, "no later than 2026-06-01" in too_long.json()["detail"][0]["msg"]) == (422, True)
    hold_id = hold(40, expires_at=SOON).json()["id"]
    june.shift(timedelta(minutes=30))
    end = {"expires_at": "2026-06-01T13:30:00Z", "reference_id": "e"}
    reply = act(send, hold_id, "extend", end)
    assert {"status": "active", "held": 40, "expires_at": "2026-06-01T13:30:00.000000Z"}.items() <= reply.json().items()
    again = act(send, hold_id, "extend", end)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (reply.json(), "true")
    assert act(send, hold_id, "extend", end | {"expires_at": "2026-06-01T13:40:00Z"}).json()["fields"] == ["expires_at"]
    for moment in ("2026-06-01T13:30:00Z", "2026-06-01T14:00:01Z"):
        assert act(send, hold_id, "extend", {"expires_at": moment, "reference_id": "f"}).status_code == 422
    june.move_to(NOW + timedelta(hours=1, minutes=20))
    assert wallet(send) == (100, 40, 60)
    june.move_to(NOW + timedelta(hours=1, minutes=30))
    assert wallet(send) == (100, 0, 100)
    check(tenant)


def test_a_wallet_without_a_floor_counts_as_one_with_a_floor_of_zero_unless_it_may_be_overdrawn(send, hold, record, tenant):
    assert (hold(1).status_code, Wallet.objects.count()) == (402, 0)
    record(type="topup", amount=10, reference_id="funds")
    assert (hold(10.01).status_code, hold(10, "whole").status_code) == (402, 200)
    assert hold(1, "over").json()["floor"] == 0
    assert hold(1000, "over", allow_overdraft=True).status_code == 200
    record(type="usage", amount=5, reference_id="u")
    assert wallet(send) == (5, 1010, -1005)
    assert act(send, WalletHold.objects.get(reference_id="over").id, "capture").status_code == 200
    check(tenant)


def test_a_hold_opens_a_wallet_where_its_floor_allows_it(send, hold, tenant, context):
    services.set_policy(**context, default_floor=Decimal(-50))
    assert (hold(51).status_code, Wallet.objects.count()) == (402, 0)
    assert hold(50).status_code == 200
    assert wallet(send) == (0, 50, -50)
    check(tenant)


def test_wallets_and_statements_of_the_past_say_what_was_held_then(send, hold, funded, tenant, context):
    hold_id = hold(40).json()["id"]
    placed = WalletHoldEntry.objects.latest("created_at").created_at
    act(send, hold_id, "capture", {"amount": 10, "final": False, "reference_id": "c"})
    captured = WalletHoldEntry.objects.latest("created_at").created_at
    act(send, hold_id, "release")
    before = (placed - timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    seen = [wallet(send, f"?as_of={moment.isoformat().replace('+00:00', 'Z')}")[1] for moment in (placed, captured)]
    assert (wallet(send, f"?as_of={before}")[1], seen, wallet(send)[1]) == (0, [40, 30], 0)
    statement = f"{WALLET}/statement?to={(captured + timedelta(microseconds=1)).isoformat().replace('+00:00', 'Z')}"
    body = b"".join(send("GET", statement).streaming_content)
    assert b'"held":30' in body
    assert b"held,," in b"".join(send("GET", statement + "&format=csv").streaming_content)
    assert b"Of which holds reserve" in b"".join(send("GET", statement + "&format=html").streaming_content)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "1e-19"}, "amount"),
        ({"amount": 10**18}, "amount"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2250-01-01T00:00:00Z"}, "expires_at"),
        ({"reference_id": ""}, "reference_id"),
        ({"reference_id": None}, "reference_id"),
        ({"currency": "usd"}, "currency"),
        ({"reason": "x" * 501}, "reason"),
        ({"allow_overdraft": "yes"}, "allow_overdraft"),
        ({"expiresAt": LATER}, "expiresAt"),
    ],
)
def test_a_bad_hold_is_refused_at_its_field(hold, funded, change, field):
    reply = hold(**change)
    assert (reply.status_code, reply.json()["detail"][0]["loc"]) == (422, ["body", field])
    assert not WalletHold.objects.exists()


def test_a_capture_that_is_not_final_needs_a_key_and_amounts_are_positive(send, hold, funded, context):
    hold_id = hold().json()["id"]
    for body, field in (({"final": False}, "reference_id"), ({"amount": 0}, "amount"), ({"metadata": 1}, "metadata"), ({"x": 1}, "x")):
        reply = act(send, hold_id, "capture", body)
        assert (reply.status_code, reply.json()["detail"][0]["loc"][1]) == (422, field)
    for service, facts in (
        (services.capture_hold, {"amount": Decimal("NaN")}),
        (services.capture_hold, {"final": False}),
        (services.release_hold, {"reason": "\x00"}),
        (services.extend_hold, {"expires_at": datetime(2300, 1, 1, tzinfo=UTC), "reference_id": "e"}),
    ):
        with pytest.raises(InvalidValue):
            service(**context, hold_id=UUID(hold_id), **facts)
    assert [row["held"] for row in list_wallets(tenant_id=context["tenant_id"])] == [40]


def test_another_tenants_hold_is_not_found(send, hold, funded, outsider):
    hold_id = hold().json()["id"]
    assert send("GET", f"{HOLDS}/{hold_id}", key=outsider).status_code == 404
    for what in ("capture", "release"):
        assert act(send, hold_id, what, key=outsider).status_code == 404
    assert act(send, hold_id, "extend", {"expires_at": LATER, "reference_id": "e"}, key=outsider).status_code == 404
    assert send("GET", HOLDS, key=outsider).json()["items"] == []


def test_a_capture_is_refused_where_usage_was_defined_as_no_debit(send, record, hold, tenant, context):
    services.define_type(**context, code="usage", label="Usage", direction="credit")
    record(type="topup", amount=10, reference_id="funds")
    hold_id = hold(5).json()["id"]
    assert act(send, hold_id, "capture").status_code == 409
    assert wallet(send) == (10, 5, 5)
    check(tenant)


def test_the_debits_type_is_the_shipped_one(send, record, hold, tenant):
    record(type="topup", amount=10, reference_id="funds")
    act(send, hold(5).json()["id"], "capture")
    kind = TransactionType.objects.get(tenant=tenant, code="usage")
    assert (kind.label, kind.direction, kind.is_catalogued) == (*SHIPPED_TYPES["usage"], True)
