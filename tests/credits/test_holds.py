"""/credits/{customerId}/holds: placing, capturing, releasing and expiring."""

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from credits import services
from credits.models import CreditTransaction, Grant, Hold
from tests.credits.test_create_transaction import refused

PATH = "/credits/acme/holds"
LATER = "2099-01-01T00:00:00Z"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def june():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


def hold(api, amount="12", **more):
    return api.post(PATH, {"amount": amount, "currency": "USD", "expiresAt": LATER} | more)


def held(*grant_ids):
    return [Grant.objects.get(id=grant_id).held for grant_id in grant_ids]


def test_a_hold_reserves_in_burn_down_order_and_moves_no_balance(api, book):
    second, first = book.grant(10), book.grant(10, expiry_date=date(2099, 1, 1))
    reply = hold(api, reason="order 7")
    row = Hold.objects.get()
    body = dict(reply.json())
    lines = body.pop("lines")
    assert reply.status_code == 201
    assert body == {
        "id": str(row.id),
        "customerId": "acme",
        "currency": "USD",
        "amount": "12",
        "captured": "0",
        "held": "12",
        "reason": "order 7",
        "status": "active",
        "expiresAt": "2099-01-01T00:00:00.000000Z",
        "createdAt": row.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    assert [(line["grantId"], line["amount"], line["held"], line["chosenBy"]["rank"]) for line in lines] == [
        (str(first), "10", "10", 1),
        (str(second), "2", "2", 2),
    ]
    assert api.get(f"{PATH}/{row.id}").json() == reply.json()
    assert api.get(PATH).json()["items"] == [reply.json()]
    assert (held(first, second), CreditTransaction.objects.count()) == ([10, 2], 2)
    [balance] = api.get("/credits/acme/balances").json()["items"]
    assert (balance["balance"], balance["held"], balance["available"]) == ("20", "12", "8")
    book.check()


def test_debits_draws_and_other_holds_cannot_take_what_is_held(api, book):
    grant_id = book.grant(10)
    hold(api, "7")
    debit = {"grantId": str(grant_id), "type": "DEBIT", "amount": "3.01"}
    for reply in (
        api.post("/credit-transactions", debit),
        api.post("/credits/acme/consume", {"amount": "3.01", "currency": "USD"}),
        hold(api, "3.01"),
    ):
        [detail] = refused(reply, 400, "InsufficientCredit")
        assert (detail["balance"], detail["held"], detail["available"]) == ("10", "7", "3")
    [detail] = refused(api.delete(f"/credits/{grant_id}"), 400, "CreditGrantDrawnOn")
    assert detail["held"] == "7"
    refused(api.post(f"/credits/{grant_id}/void", {"reason": "r"}), 400, "CreditGrantHeld")
    assert api.post("/credit-transactions", debit | {"amount": "3"}).status_code == 201
    assert (book.balance(grant_id), held(grant_id)) == (7, [7])


def test_a_capture_of_part_debits_it_and_releases_the_rest(api, book):
    first, second = book.grant(10, expiry_date=date(2099, 1, 1)), book.grant(10)
    hold_id = hold(api, "15").json()["id"]
    body = {"amount": "11", "invoiceId": "i", "reason": "delivered"}
    reply = api.post(f"{PATH}/{hold_id}/capture", body)
    assert (reply.status_code, reply.json()["status"], reply.json()["captured"], reply.json()["held"]) == (200, "captured", "11", "0")
    rows = api.get("/credit-transactions", invoiceId="i").json()["items"]
    assert sorted((row["grantId"], row["amount"], row["kind"], row["holdId"]) for row in rows) == sorted(
        [(str(first), "10", "capture", hold_id), (str(second), "1", "capture", hold_id)]
    )
    assert (book.balance(first), book.balance(second), held(first, second)) == (0, 9, [0, 0])
    again = api.post(f"{PATH}/{hold_id}/capture", body)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (reply.json(), "true")
    [detail] = refused(api.post(f"{PATH}/{hold_id}/capture", body | {"amount": "12"}), 409, "IdempotencyConflict")
    assert detail["fields"] == ["amount"]
    [detail] = refused(api.post(f"{PATH}/{hold_id}/release"), 400, "HoldClosed")
    assert detail["status"] == "captured"
    book.check()


def test_a_capture_without_an_amount_takes_all_and_never_more(api, book):
    book.grant(10)
    hold_id = hold(api, "4").json()["id"]
    [detail] = refused(api.post(f"{PATH}/{hold_id}/capture", {"amount": "4.01"}), 400, "HoldExceeded")
    assert (detail["held"], detail["requested"]) == ("4", "4.01")
    assert api.post(f"{PATH}/{hold_id}/capture", b"").json()["captured"] == "4"
    book.check()


def test_a_release_frees_all_that_is_held(api, book):
    grant_id = book.grant(10)
    hold_id = hold(api, "4").json()["id"]
    reply = api.post(f"{PATH}/{hold_id}/release", b"")
    assert (reply.status_code, reply.json()["status"], reply.json()["held"]) == (200, "released", "0")
    assert api.post(f"{PATH}/{hold_id}/release", b"").headers["Idempotent-Replayed"] == "true"
    refused(api.post(f"{PATH}/{hold_id}/capture", b""), 400, "HoldClosed")
    assert (book.balance(grant_id), held(grant_id)) == (10, [0])
    book.check()


def test_the_databases_clock_decides_whether_a_hold_is_overdue(api, book, june, monkeypatch):
    book.grant(10)
    hold_id = hold(api, "8", expiresAt="2026-06-01T13:00:00Z").json()["id"]
    june.shift(timedelta(hours=1))
    # The application's clock is an hour behind.
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    body = api.get(f"{PATH}/{hold_id}").json()
    assert (body["status"], body["held"], body["lines"][0]["held"]) == ("expired", "0", "0")
    assert api.get(PATH, status="active").json()["items"] == []
    assert [row["status"] for row in api.get(PATH, status="expired").json()["items"]] == ["expired"]
    call_command("expire_holds", verbosity=0)
    assert Hold.objects.get().status == "expired"


def test_an_overdue_hold_reserves_nothing_before_and_after_a_job_closes_it(api, book, june):
    grant_id = book.grant(10)
    hold_id = hold(api, "8", expiresAt="2026-06-01T13:00:00Z").json()["id"]
    june.shift(timedelta(hours=1))
    body = api.get(f"{PATH}/{hold_id}").json()
    assert (body["status"], body["held"]) == ("expired", "0")
    assert api.get("/credits/acme/balances").json()["items"][0]["available"] == "10"
    assert (api.get(f"/credits/{grant_id}").json()["held"], api.get("/credits").json()["items"][0]["held"]) == ("0", "0")
    assert api.get(PATH, status="active").json()["items"] == []
    assert len(api.get(PATH, status="expired").json()["items"]) == 1
    assert api.get("/credits/acme/consume/preview", amount="10", currency="USD").json()["missing"] == "0"
    [detail] = refused(api.post(f"{PATH}/{hold_id}/capture", b""), 400, "HoldClosed")
    assert detail["status"] == "expired"
    assert api.post("/credit-transactions", {"grantId": str(grant_id), "type": "DEBIT", "amount": "9"}).status_code == 201
    assert held(grant_id) == [0]
    book.check()
    call_command("expire_holds", verbosity=0)
    assert Hold.objects.get().status == "expired"
    call_command("expire_holds", verbosity=0)
    assert api.post(f"{PATH}/{hold_id}/release", b"").status_code == 400
    book.check()


def test_what_was_held_in_time_can_be_captured_after_the_grants_last_day_and_the_rest_expires(api, book, june):
    grant_id = book.grant(10, expiry_date=date(2026, 6, 1))
    hold_id = hold(api, "8").json()["id"]
    june.move_to(NOW + timedelta(days=1))
    call_command("expire_credits", verbosity=0)
    assert (book.balance(grant_id), held(grant_id), Grant.objects.get().status) == (8, [8], "open")
    assert api.post(f"{PATH}/{hold_id}/capture", {"amount": "5"}).json()["captured"] == "5"
    assert book.entries(grant_id) == [
        ("opening", "CREDIT", 10),
        ("expiry", "DEBIT", 2),
        ("capture", "DEBIT", 5),
        ("expiry", "DEBIT", 3),
    ]
    assert Grant.objects.get().status == "expired"
    book.check()


def test_the_same_key_places_one_hold(api, book):
    book.grant(10)
    first, again = (api.post(PATH, {"amount": "4", "currency": "USD", "expiresAt": LATER}, key="k") for _ in range(2))
    assert (again.status_code, again.json(), again.headers["Idempotent-Replayed"]) == (201, first.json(), "true")
    reply = api.post(PATH, {"amount": "5", "currency": "USD", "expiresAt": LATER}, key="k")
    assert refused(reply, 409, "IdempotencyConflict")[0]["fields"] == ["amount"]
    book.check()


def test_bad_holds_are_refused(api, book):
    book.grant(10)
    for change, field, reason in (
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt", "not_in_the_future"),
        ({"expiresAt": "tomorrow"}, "expiresAt", "bad_timestamp"),
        ({"amount": "0"}, "amount", "not_positive"),
    ):
        [detail] = refused(api.post(PATH, {"amount": "4", "currency": "USD", "expiresAt": LATER} | change), 400, "InvalidRequest")
        assert (detail["field"], detail["reason"]) == (field, reason)
    assert not Hold.objects.exists()


def test_another_accounts_or_customers_hold_is_not_found(api, book, outsider):
    book.grant(10)
    hold_id = hold(api, "4").json()["id"]
    for caller, path in ((outsider, PATH), (api, "/credits/other/holds")):
        refused(caller.get(f"{path}/{hold_id}"), 404, "NotFound")
        refused(caller.post(f"{path}/{hold_id}/capture", b""), 404, "NotFound")
        refused(caller.post(f"{path}/{hold_id}/release", b""), 404, "NotFound")
        assert caller.get(path).json()["items"] == []
    assert services.expire_hold(**book.context, hold_id=hold_id).nothing_to_do


def act(api, hold_id, what, body=None, key=None):
    return api.post(f"{PATH}/{hold_id}/{what}", body or b"", **({"key": key} if key else {}))


def test_several_captures_draw_in_burn_down_order_and_never_exceed_the_hold(api, book):
    first, second = book.grant(10, expiry_date=date(2099, 1, 1)), book.grant(10)
    hold_id = hold(api, "15").json()["id"]
    part = act(api, hold_id, "capture", {"amount": "8", "final": False, "invoiceId": "i1", "reason": "part 1"}, "k1")
    body = part.json()
    assert (part.status_code, body["status"], body["captured"], body["held"]) == (200, "active", "8", "7")
    assert [line["held"] for line in body["lines"]] == ["2", "5"]
    assert (book.balance(first), held(first, second)) == (2, [2, 5])
    [detail] = refused(act(api, hold_id, "capture", {"amount": "7.01", "final": False}, "k2"), 400, "HoldExceeded")
    assert (detail["held"], detail["requested"]) == ("7", "7.01")
    second_part = act(api, hold_id, "capture", {"amount": "4", "final": False, "invoiceId": "i2"}, "k2").json()
    assert (second_part["captured"], second_part["held"], [line["held"] for line in second_part["lines"]]) == ("12", "3", ["0", "3"])
    again = act(api, hold_id, "capture", {"amount": "8", "final": False, "invoiceId": "i1", "reason": "part 1"}, "k1")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (body, "true")
    [detail] = refused(act(api, hold_id, "capture", {"amount": "8", "final": False, "invoiceId": "i3"}, "k1"), 409, "IdempotencyConflict")
    assert detail["fields"] == ["reason", "invoice_id"] or detail["fields"] == ["reason", "invoiceId"]
    last = act(api, hold_id, "capture", {"amount": "1"}).json()
    assert (last["status"], last["captured"], last["held"]) == ("captured", "13", "0")
    assert act(api, hold_id, "capture", {"amount": "1"}).json() == last
    assert (book.balance(first), book.balance(second), held(first, second)) == (0, 7, [0, 0])
    refused(act(api, hold_id, "capture", {"amount": "1", "final": False}, "k9"), 400, "HoldClosed")
    book.check()


def test_a_part_needs_a_key_and_a_key_belongs_to_one_hold(api, book):
    book.grant(20)
    one, two = (hold(api, "5").json()["id"] for _ in range(2))
    [detail] = refused(act(api, one, "capture", {"amount": "1", "final": False}), 400, "InvalidRequest")
    assert detail["reason"] == "missing"
    act(api, one, "capture", {"amount": "1", "final": False}, "k")
    [detail] = refused(act(api, two, "capture", {"amount": "1", "final": False}, "k"), 409, "IdempotencyConflict")
    assert detail["fields"] == ["hold"]
    [detail] = refused(act(api, one, "capture", {"amount": "1"}, "k"), 409, "IdempotencyConflict")
    assert detail["fields"] == ["final"]
    book.check()


def test_what_was_captured_of_a_hold_stays_when_it_is_released_or_expires(api, book, june):
    grant_id = book.grant(20)
    released, expired = (hold(api, "6", expiresAt="2026-06-01T13:00:00Z").json()["id"] for _ in range(2))
    for number, hold_id in enumerate((released, expired)):
        act(api, hold_id, "capture", {"amount": "2", "final": False}, f"k{number}")
    reply = act(api, released, "release", {"reason": "stream broke"})
    assert (reply.json()["status"], reply.json()["captured"], reply.json()["held"]) == ("released", "2", "0")
    june.shift(timedelta(hours=1))
    body = api.get(f"{PATH}/{expired}").json()
    assert (body["status"], body["captured"], body["held"]) == ("expired", "2", "0")
    call_command("expire_holds", verbosity=0)
    assert (book.balance(grant_id), held(grant_id)) == (16, [0])
    book.check()


def test_a_hold_of_which_everything_is_captured_is_open_until_it_ends(api, book):
    book.grant(10)
    ends = []
    for number, what in enumerate(("capture", "release")):
        hold_id = hold(api, "4").json()["id"]
        reply = act(api, hold_id, "capture", {"final": False}, f"k{number}").json()
        assert (reply["status"], reply["captured"], reply["held"]) == ("active", "4", "0")
        ends.append(act(api, hold_id, what, {"reason": "end"}).json()["status"])
    assert ends == ["captured", "released"]
    book.check()


def test_an_extension_is_later_within_the_policys_longest_time_and_made_once(api, book, june):
    grant_id = book.grant(10)
    services.set_policy(tenant_id=book.tenant_id, actor="command:test", request_id="", longest_hold_seconds=7200)
    [detail] = refused(hold(api, "1", expiresAt="2026-06-01T14:00:01Z"), 400, "InvalidRequest")
    assert (detail["field"], detail["reason"]) == ("expiresAt", "hold_too_long")
    hold_id = hold(api, "4", expiresAt="2026-06-01T13:00:00Z").json()["id"]
    june.shift(timedelta(minutes=30))
    later = {"expiresAt": "2026-06-01T13:30:00Z"}
    reply = act(api, hold_id, "extend", later, "e")
    assert (reply.status_code, reply.json()["expiresAt"], reply.json()["status"]) == (200, "2026-06-01T13:30:00.000000Z", "active")
    again = act(api, hold_id, "extend", later, "e")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (reply.json(), "true")
    refused(act(api, hold_id, "extend", {"expiresAt": "2026-06-01T13:40:00Z"}, "e"), 409, "IdempotencyConflict")
    refused(act(api, hold_id, "extend", later), 400, "InvalidRequest")
    for moment, reason in (("2026-06-01T13:30:00Z", "hold_not_later"), ("2026-06-01T14:00:01Z", "hold_too_long")):
        [detail] = refused(act(api, hold_id, "extend", {"expiresAt": moment}, "f"), 400, "InvalidRequest")
        assert detail["reason"] == reason
    june.move_to(NOW + timedelta(hours=1, minutes=20))
    assert (api.get("/credits/acme/balances").json()["items"][0]["available"], held(grant_id)) == ("6", [4])
    june.move_to(NOW + timedelta(hours=1, minutes=30))
    assert api.get("/credits/acme/balances").json()["items"][0]["available"] == "10"
    [detail] = refused(act(api, hold_id, "extend", {"expiresAt": "2026-06-01T13:50:00Z"}, "g"), 400, "HoldClosed")
    assert detail["status"] == "expired"
    book.check()


def test_a_hold_that_was_placed_with_a_key_is_replayed_as_it_was_placed(api, book, june):
    book.grant(10)
    order = {"amount": "4", "currency": "USD", "expiresAt": "2026-06-01T13:00:00Z"}
    first = api.post(PATH, order, key="k")
    act(api, first.json()["id"], "capture", {"amount": "1", "final": False}, "c")
    act(api, first.json()["id"], "extend", {"expiresAt": "2026-06-01T14:00:00Z"}, "e")
    assert api.post(PATH, order, key="k").json() == first.json()
    book.check()
