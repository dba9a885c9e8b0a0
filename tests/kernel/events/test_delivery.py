"""Deliveries to a receiver on this machine: what is sent, what counts as delivered, when it is tried again, and what is never reached."""

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db.models import F
from django.utils import timezone

from kernel.events.delivery_loop import DeliveryLoop
from kernel.events.http import requests, url_safety
from kernel.events.http.signing import secret_of
from kernel.events.ids import endpoint_ref, event_ref
from kernel.events.models import Attempt, Delivery, Endpoint, Event
from kernel.events.services import clean_up, sending
from kernel.events.services.clean_up import delete_old_events
from kernel.events.services.delivery_results import AttemptResult, record
from kernel.events.services.event_writer import write_event
from kernel.events.services.fan_out import fan_out
from kernel.events.services.sending import ClaimCursor
from tests.kernel.events.receiver import CERTIFICATE, NAME, Answered, Receiver

pytestmark = pytest.mark.django_db
TYPE = "webhook.test"
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def local_settings(settings, monkeypatch):
    settings.WEBHOOK_SIGNING_KEY = ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
    settings.WEBHOOK_ALLOW_NETS = ["127.0.0.0/8"]
    settings.WEBHOOK_CA_FILE = str(CERTIFICATE)
    monkeypatch.setattr(url_safety, "_looked_up", lambda host, port: [ipaddress.ip_address("127.0.0.1")])


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def write(tenant):
    """Writes an event; one of an account has a number."""

    def write(account="", sequence=None, **snapshot):
        assert write_event(tenant_id=tenant.id, type=TYPE, account=account, sequence=sequence, object_id="1", snapshot=snapshot or {"n": 1})
        return Event.objects.filter(tenant_id=tenant.id).latest("id")

    return write


def work():
    DeliveryLoop(threads=4).run_until_idle()


def make_due(**filters):
    Delivery.objects.filter(**filters).update(next_at=timezone.now() - SECOND)


def states(tenant):
    return sorted(Delivery.objects.filter(tenant_id=tenant.id).values_list("state", flat=True))


def test_an_event_is_sent_to_the_vetted_address_under_its_name_and_verifies(tenant, listen, write, receiver):
    endpoint = listen(url=receiver.url, headers={"Authorization": "Bearer of-the-receiver"})
    receiver.secret = secret_of(endpoint.id, 1)
    event = write(n=7)
    work()
    [received] = receiver.received
    event.refresh_from_db()
    assert received.body.decode() == event.body
    assert received.event["data"] == {"object": {"n": 7}}
    assert receiver.names == [NAME]
    assert {name: value for name, value in received.headers.items() if name not in {"webhook-timestamp", "webhook-signature"}} == {
        "host": f"{NAME}:{receiver.port}",
        "content-type": "application/json",
        "content-length": str(len(received.body)),
        "accept-encoding": "identity",
        "user-agent": "Countinghouse-Webhooks/1",
        "webhook-id": event_ref(event.id),
        "countinghouse-attempt": "1",
        "countinghouse-endpoint": endpoint_ref(endpoint.id),
        "authorization": "Bearer of-the-receiver",
    }
    attempt = Attempt.objects.get(tenant_id=tenant.id)
    assert (attempt.number, attempt.status_code, attempt.error, attempt.ip) == (1, 204, "", "127.0.0.1")
    assert attempt.request_headers["authorization"] == "(not shown)"
    assert states(tenant) == ["delivered"]
    endpoint.refresh_from_db()
    assert endpoint.last_success_at is not None


def test_a_failure_is_tried_again_with_the_same_id_and_bytes(tenant, listen, write, receiver):
    endpoint = listen(url=receiver.url)
    receiver.secret = secret_of(endpoint.id, 1)
    answers = [Answered(500, body=b"down"), Answered(200)]
    receiver.answer = lambda received: answers.pop(0)
    write()
    work()
    delivery = Delivery.objects.get(tenant_id=tenant.id)
    assert (delivery.state, delivery.attempts, delivery.last_error) == ("waiting", 1, "status 500")
    assert timedelta(seconds=3) < delivery.next_at - timezone.now() < timedelta(seconds=7)
    make_due()
    work()
    assert states(tenant) == ["delivered"]
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    assert second.headers["countinghouse-attempt"] == "2"
    assert [attempt.response_head for attempt in Attempt.objects.order_by("number")] == ["down", ""]


def test_after_the_tenth_failure_a_delivery_has_failed(tenant, listen, write, receiver):
    listen(url=receiver.url)
    receiver.answer = lambda received: Answered(500)
    write()
    work()
    for _ in range(8):
        make_due()
        work()
    assert states(tenant) == ["waiting"]
    make_due()
    work()
    assert states(tenant) == ["failed"]
    assert len(receiver.received) == 10


@pytest.mark.parametrize(
    ("answered", "error"),
    [
        (Answered(302, {"Location": "http://169.254.169.254/"}), "status 302: redirects are not followed"),
        (Answered(404), "status 404"),
        (Answered(200, body=b"x" * 100, drip=0.1), "no complete answer within 0.5 s"),
    ],
)
def test_anything_but_a_whole_2xx_answer_in_time_is_a_failure(tenant, listen, write, receiver, monkeypatch, answered, error):
    monkeypatch.setattr(sending, "send", partial(requests.send, seconds=0.5))
    listen(url=receiver.url)
    receiver.answer = lambda received: answered
    write()
    work()
    assert Attempt.objects.get(tenant_id=tenant.id).error == error
    assert states(tenant) == ["waiting"]
    assert len(receiver.received) == 1


def test_of_a_long_answer_only_the_beginning_is_read(tenant, listen, write, receiver):
    listen(url=receiver.url)
    receiver.answer = lambda received: Answered(200, body=b"\x00" + b"x" * 5_000_000)
    write()
    work()
    head = Attempt.objects.get(tenant_id=tenant.id).response_head
    assert (head[:2], len(head)) == ("\N{REPLACEMENT CHARACTER}x", 4096)


@pytest.mark.parametrize(
    ("name", "authority", "error"),
    [
        ("other.example.test", str(CERTIFICATE), "CertificateError: hostname 'other.example.test' doesn't match 'hooks.example.test'"),
        (NAME, "", "SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"),
    ],
)
def test_a_certificate_that_does_not_verify_is_refused_before_anything_is_sent(
    tenant, listen, write, receiver, settings, name, authority, error
):
    settings.WEBHOOK_CA_FILE = authority
    listen(url=receiver.url.replace(NAME, name))
    write()
    work()
    assert Attempt.objects.get(tenant_id=tenant.id).error.startswith(error)
    assert receiver.received == []


def test_an_address_that_became_private_is_not_connected_to(tenant, listen, write, receiver, settings):
    settings.WEBHOOK_ALLOW_NETS = []
    listen(url=receiver.url)
    write()
    work()
    assert "not public" in Attempt.objects.get(tenant_id=tenant.id).error
    assert receiver.received == receiver.names == []


def test_410_disables_the_endpoint_and_tells_the_other_ones(tenant, listen, write, receiver):
    gone, other = listen(url=receiver.url), listen("webhook_endpoint.disabled", url=receiver.url)
    receiver.answer = lambda received: Answered(410 if received.headers["countinghouse-endpoint"] == endpoint_ref(gone.id) else 204)
    for number in (1, 2):
        write(n=number)
    fan_out()
    DeliveryLoop(threads=1).run_until_idle()
    gone.refresh_from_db()
    assert (gone.status, gone.disabled_reason) == ("disabled", "gone")
    assert sorted(gone.deliveries.values_list("state", flat=True)) == ["skipped", "skipped"]
    [delivery] = other.deliveries.all()
    assert (delivery.state, delivery.event.type) == ("delivered", "webhook_endpoint.disabled")
    assert receiver.received[-1].event["data"]["object"]["disabledReason"] == "gone"


@pytest.mark.parametrize("after", ["120", "date"])
def test_an_endpoint_that_asks_for_a_pause_gets_nothing_until_then(tenant, listen, write, receiver, after):
    text = f"{datetime.now(UTC) + timedelta(seconds=120):%a, %d %b %Y %H:%M:%S GMT}" if after == "date" else after
    receiver.answer = lambda received: Answered(429, {"Retry-After": text})
    endpoint = listen(url=receiver.url)
    write(n=1)
    work()
    write(n=2)
    make_due()
    work()
    assert len(receiver.received) == 1
    endpoint.refresh_from_db()
    assert timedelta(seconds=110) < endpoint.not_before - timezone.now() < timedelta(seconds=121)
    Endpoint.objects.filter(id=endpoint.id).update(not_before=timezone.now() - SECOND)
    receiver.answer = lambda received: Answered(204)
    work()
    assert states(tenant) == ["delivered", "delivered"]


def test_a_receiver_can_refuse_a_message_for_good(tenant, listen, write, receiver):
    receiver.answer = lambda received: Answered(400, {"webhook-delivery": "abort-message"})
    listen(url=receiver.url)
    write()
    work()
    assert states(tenant) == ["failed"]


def test_an_account_that_fails_waits_in_order_and_the_others_go_on(tenant, listen, write, receiver):
    endpoint = listen(url=receiver.url, ordering="account")
    receiver.answer = lambda received: Answered(500 if received.event["account"] == "wallet:EUR" else 204)
    for number in (1, 2, 3):
        write("wallet:EUR", number)
        write("wallet:USD", number)
    work()
    sequence = [(received.event["account"], received.event["sequence"]) for received in receiver.received]
    assert [number for account, number in sequence if account == "wallet:USD"] == [1, 2, 3]
    assert [number for account, number in sequence if account == "wallet:EUR"] == [1]
    # After an hour the account goes on without the one that fails.
    Delivery.objects.filter(state="waiting").update(first_attempt_at=timezone.now() - timedelta(minutes=61))
    receiver.answer = lambda received: Answered(204)
    work()
    assert [received.event["sequence"] for received in receiver.received if received.event["account"] == "wallet:EUR"] == [1, 2, 3]
    assert [delivery.released_by_age for delivery in endpoint.deliveries.filter(account="wallet:EUR").order_by("sequence")] == [
        True,
        False,
        False,
    ]


def test_an_ordered_endpoint_waits_for_an_earlier_event_that_is_not_fanned_out(tenant, listen, write, receiver):
    listen(url=receiver.url, ordering="account")
    late = write("wallet:USD", 1)
    Event.objects.filter(id=late.id).update(account="elsewhere")
    write("wallet:USD", 2)
    fan_out()
    Event.objects.filter(id=late.id).update(account="wallet:USD", fanned_out_at=None)
    Delivery.objects.filter(event_id=late.id).delete()
    assert sending.claim(at_most=9, cursor=ClaimCursor()) == []
    work()
    assert [received.event["sequence"] for received in receiver.received] == [1, 2]


def test_an_endpoint_that_fails_for_five_days_in_ten_attempts_is_disabled(tenant, listen, write, receiver):
    receiver.answer = lambda received: Answered(500)
    endpoint = listen(url=receiver.url)
    for number, days, expected in ((8, 6, "enabled"), (9, 4, "enabled"), (9, 5, "disabled")):
        since = timezone.now() - timedelta(days=days)
        Endpoint.objects.filter(id=endpoint.id).update(consecutive_failures=number, first_failure_at=since)
        write()
        work()
        endpoint.refresh_from_db()
        assert endpoint.status == expected
    assert endpoint.disabled_reason == "failing"
    assert states(tenant) == ["skipped", "skipped", "skipped"]


def test_endpoints_get_equal_shares_and_no_more_than_may_be_in_flight(tenant, listen, write, settings):
    first, second = listen(), listen()
    for _ in range(12):
        write()
    fan_out()

    def shares(at_most, after=None):
        cursor = ClaimCursor(after)
        found = [batch.endpoint_id for batch in sending.claim(at_most=at_most, cursor=cursor)]
        return found.count(first.id), found.count(second.id), cursor.endpoint

    settings.WEBHOOK_IN_FLIGHT = 8
    assert shares(6) == (3, 3, second.id)
    assert shares(1, after=first.id) == (0, 1, second.id)
    assert shares(32) == (5, 4, second.id)
    assert shares(32) == (0, 0, None)
    # A batch that was begun late is under way until just before its lease ends.
    Delivery.objects.filter(state="leased").update(next_at=F("next_at") - sending.LEASE + timedelta(seconds=15))
    assert shares(32) == (0, 0, None)


def test_a_lease_that_ended_is_given_again_and_costs_no_attempt_of_the_schedule(tenant, listen, write):
    listen()
    write()
    fan_out()

    def leased():
        return [delivery for batch in sending.claim(at_most=9, cursor=ClaimCursor()) for delivery in batch.deliveries]

    [first] = leased()
    assert leased() == []
    make_due()
    [second] = leased()
    assert (second.attempts, second.failures) == (2, 0)
    its = {"tenant_id": tenant.id, "delivery_id": first.id, "endpoint_id": first.endpoint_id, "headers": {}}
    record([AttemptResult(**its, number=1, answer=requests.Answer(error="late"))])
    record([AttemptResult(**its, number=1)])
    assert states(tenant) == ["leased"]
    success = AttemptResult(**its, number=2, answer=requests.Answer(status_code=200))
    record([success])
    # A worker that lost its connection meanwhile records once more what it has.
    record([success])
    assert states(tenant) == ["delivered"]
    assert Attempt.objects.count() == 2


def test_results_recorded_together_say_of_the_endpoint_what_they_say_one_by_one(tenant, listen, write):
    endpoint = listen()
    for _ in range(5):
        write()
    fan_out()
    leased = [delivery for batch in sending.claim(at_most=9, cursor=ClaimCursor()) for delivery in batch.deliveries]
    errors = ["", "status 500", "", "status 503", "status 500"]

    def sent(number):
        answer = requests.Answer(status_code=503 if "503" in errors[number] else 200, error=errors[number])
        its = {"tenant_id": tenant.id, "delivery_id": leased[number].id, "endpoint_id": endpoint.id, "number": 1}
        return AttemptResult(**its, answer=answer, ended_at=timezone.now())

    assert record([sent(number) for number in range(5)]) == {endpoint.id}
    endpoint.refresh_from_db()
    assert (endpoint.consecutive_failures, endpoint.first_failure_at) == (2, endpoint.last_success_at)
    assert timedelta(seconds=50) < endpoint.not_before - endpoint.last_success_at <= timedelta(seconds=60)
    assert states(tenant) == ["delivered", "delivered", "waiting", "waiting", "waiting"]
    assert sorted(Attempt.objects.values_list("error", flat=True)) == sorted(errors)


def test_results_are_recorded_by_one_statement_whatever_their_number(tenant, listen, write, django_assert_num_queries):
    listen()
    for _ in range(8):
        write()
    fan_out()
    batches = sending.claim(at_most=9, cursor=ClaimCursor())
    with django_assert_num_queries(3):
        # Begin of the transaction (a savepoint here), the statement, its end.
        record([sending.unsent(delivery) for batch in batches for delivery in batch.deliveries])
    assert set(Delivery.objects.values_list("state", "attempts", "first_attempt_at")) == {("pending", 0, None)}


def test_events_of_an_account_are_leased_together_and_after_a_failure_the_rest_is_given_back(tenant, listen, write, receiver):
    endpoint = listen(url=receiver.url, ordering="account")
    for number in range(1, 31):
        write("wallet:USD", number)
    write("wallet:EUR", 1)
    fan_out()
    cursor = ClaimCursor()
    batches = sending.claim(at_most=9, cursor=cursor)
    assert [[each.sequence for each in batch.deliveries] for batch in batches] == [[1], list(range(1, 21))]
    assert cursor.accounts == {endpoint.id: "wallet:USD"}
    # The account has a delivery under way, so no other one is leased.
    assert sending.claim(at_most=9, cursor=ClaimCursor()) == []
    make_due()
    receiver.answer = lambda received: Answered(500 if received.event["sequence"] == 3 else 204)
    work()
    assert [received.event["sequence"] for received in receiver.received if received.event["account"] == "wallet:USD"] == [1, 2, 3]
    rows = endpoint.deliveries.filter(account="wallet:USD").order_by("sequence").values_list("state", "attempts")
    assert list(rows)[:4] == [("delivered", 2), ("delivered", 2), ("waiting", 2), ("pending", 1)]
    assert set(rows[20:]) == {("pending", 0)}
    make_due()
    receiver.answer = lambda received: Answered(204)
    work()
    numbers = [received.event["sequence"] for received in receiver.received if received.event["account"] == "wallet:USD"]
    assert numbers == [1, 2, 3, *range(3, 31)]


def test_accounts_have_their_turn_one_after_another(tenant, listen, write, settings):
    settings.WEBHOOK_IN_FLIGHT = 2
    listen(ordering="account")
    for name in "abcde":
        write(f"customer:{name}", 1)
    fan_out()
    cursor, turns = ClaimCursor(), []
    for _ in range(3):
        batches = sending.claim(at_most=9, cursor=cursor)
        turns.append([batch.deliveries[0].account[-1] for batch in batches])
        record([sending.unsent(delivery) for batch in batches for delivery in batch.deliveries])
    assert turns == [["a", "b"], ["c", "d"], ["a", "e"]] or turns == [["a", "b"], ["c", "d"], ["e", "a"]]


@pytest.mark.parametrize("answered", [Answered(410), Answered(503)])
def test_other_accounts_of_an_endpoint_that_wants_nothing_now_are_given_back(tenant, listen, write, receiver, answered):
    listen(url=receiver.url, ordering="account")
    for number in range(1, 21):
        write("wallet:EUR", number)
        write("wallet:USD", number)
    receiver.answer = lambda received: answered if received.event["account"] == "wallet:EUR" else Answered(200, body=b"xx", drip=0.05)
    work()
    sent = [received.event["account"] for received in receiver.received]
    assert sent.count("wallet:EUR") == 1
    assert sent.count("wallet:USD") < 5
    assert {"leased"}.isdisjoint(states(tenant))


def test_a_chain_that_takes_long_begins_no_other_request(tenant, listen, write, receiver, monkeypatch):
    monkeypatch.setattr(sending, "BATCH_SECONDS", 0.2)
    endpoint = listen(url=receiver.url, ordering="account")
    for number in range(1, 6):
        write("wallet:USD", number)
    receiver.answer = lambda received: Answered(200, body=b"xxx", drip=0.05)
    work()
    assert [received.event["sequence"] for received in receiver.received] == [1, 2, 3, 4, 5]
    # Two leases at least; what a lease gave back isn't counted as begun.
    assert set(endpoint.deliveries.values_list("state", "attempts")) == {("delivered", 1)}


def test_a_thin_endpoint_and_a_large_object_get_the_id_alone(tenant, listen, write, receiver):
    listen(url=receiver.url, payload="thin")
    write(n=1)
    work()
    Endpoint.objects.filter(tenant_id=tenant.id).update(payload="full")
    write(text="x" * 20_000)
    work()
    expected = {"object": {"id": "1", "type": "example"}, "truncated": True}
    assert [received.event["data"] for received in receiver.received] == [expected, expected]


def test_a_replay_says_so_and_a_test_is_left_to_its_own_call(tenant, listen, write, receiver):
    endpoint = listen(url=receiver.url)
    event = write()
    work()
    its = {"tenant_id": tenant.id, "event_id": event.id, "endpoint_id": endpoint.id}
    Delivery.objects.create(**its, origin="replay")
    tested = Delivery.objects.create(**its, origin="test")
    work()
    assert [received.headers.get("countinghouse-replay") for received in receiver.received] == [None, "true"]
    assert sending.send_now(delivery_id=tested.id).status_code == 204
    assert sending.send_now(delivery_id=tested.id) is None
    assert states(tenant) == ["delivered"] * 3


def test_without_a_signing_key_nothing_is_leased(tenant, listen, write, receiver, settings):
    settings.WEBHOOK_SIGNING_KEY = []
    listen(url=receiver.url)
    write()
    work()
    assert Delivery.objects.get(tenant_id=tenant.id).attempts == 0


def test_old_events_and_attempts_are_deleted_page_by_page(tenant, listen, write, receiver, monkeypatch):
    monkeypatch.setattr(clean_up, "PAGE", 2)
    listen(url=receiver.url)
    for _ in range(3):
        write()
    work()
    assert sum(delete_old_events()) == 0
    for days, attempts, events in ((31, 0, 3), (91, 0, 0)):
        as_of = f"(clock_timestamp() + interval '{days} days')"
        later = [(statement.replace("clock_timestamp()", as_of), retention) for statement, retention in clean_up.STEPS]
        with monkeypatch.context() as patch:
            patch.setattr(clean_up, "STEPS", later)
            assert sum(delete_old_events()) == 3
        assert (Attempt.objects.count(), Event.objects.count()) == (attempts, events)
