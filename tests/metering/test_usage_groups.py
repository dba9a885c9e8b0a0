"""Questions about usage: answers that agree with what an export of the ledger says, after whatever happened."""

import contextlib
import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backoffice.integrity.checks import checks_of
from kernel.ledger.errors import LedgerError
from metering import services
from metering.integrity import checks
from metering.models import Usage, UsageNote, UsageProgress, UsageSum
from metering.services.usage_checks import find_misread_usage

QUERY = "/v1/analytics/query"
ESTIMATE = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}
RESPONSE = {"source": "openai", "version": "v1", "facts": {"model": "gpt-4o", "inputTokens": 1200, "outputTokens": 300}}
ZONES = ("UTC", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns")
DIMENSIONS = ("service", "action", "resource", "model", "agent", "customer", "trace", "currency", "outcome", "metadata.team")
VALUES = {
    "service": ["openai"],
    "action": ["chat"],
    "resource": ["gpt-4o"],
    "model": ["gpt-4o", "mine"],
    "agent": ["writer"],
    "customer": ["ada"],
    "currency": ["USD", "EUR"],
    "outcome": ["success"],
    "metadata.team": ["red", "7"],
}
TOKENS = ("inputTokens", "outputTokens", "cacheReadTokens", "reasoningTokens")
# What the facts call them.
KEYS = ("inputTokens", "outputTokens", "cachedTokens", "reasoningTokens")


class History:
    """Random calls of one tenant, some far in the past and some just now, counted at random moments."""

    def __init__(self, caller, seed: int) -> None:
        self.random = random.Random(seed)
        self.context = {"tenant_id": caller.tenant.id, "actor": "command:test", "request_id": ""}
        self.ids: list = []

    def take(self, steps: int) -> None:
        for _ in range(steps):
            step = self.random.choice([self.create] * 3 + [self.finish, self.report, self.spend, self.count])
            # Not every step is possible in a transaction's status.
            with contextlib.suppress(LedgerError):
                step()

    def create(self) -> None:
        choose = self.random.choice
        # Around the days on which clocks are put forward and back.
        at = choose([datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC), timezone.now() - timedelta(days=4)])
        recorded = services.record_transaction(
            **self.context,
            service_name=choose(["openai", "search"]),
            action_name=choose(["chat", "find"]),
            resource_name=choose(["gpt-4o", "/v1/find"]),
            agent_name=choose([None, "writer"]),
            customer_id=choose([None, "ada", "bob"]),
            metadata=choose([None, '{"team": "red"}', '{"team": 7}']),
            occurred_at=choose([None, at + timedelta(seconds=self.random.uniform(0, 300_000))]),
            costs=[self.cost() for _ in range(self.random.randrange(3))],
        )
        self.ids.append(recorded.row["id"])

    def cost(self) -> dict:
        amount = Decimal(self.random.randrange(10**20)).scaleb(-18)
        return {
            "fiat_amount": amount,
            "fiat_asset_symbol": self.random.choice(["USD", "USD", "EUR"]),
            "is_estimate": self.random.random() < 0.5,
        }

    def pick(self) -> dict:
        return {**self.context, "transaction_id": self.random.choice(self.ids)} if self.ids else self.create() or self.pick()

    def finish(self) -> None:
        end = self.random.choice([("success", None), ("error", None), None])
        if end is None:
            services.cancel_transaction(**self.pick(), reason="")
        else:
            services.complete_transaction(**self.pick(), outcome=end[0])

    def report(self) -> None:
        used = {"model": self.random.choice(["gpt-4o", "mine"])} | {
            name: self.random.randrange(1000) for name in ("inputTokens", "outputTokens", "cachedTokens", "reasoningTokens")
        }
        phase = self.random.choice(["response", "response", "partial", "request"])
        call = self.random.choice([None, None, "a", "b"])
        services.record_fact(**self.pick(), source="s", version="1", fact_phase=phase, facts=json.dumps(used), call_id=call)

    def spend(self) -> None:
        services.record_cost(**self.pick(), **self.cost())

    def count(self) -> None:
        services.count_usage(tenant_id=self.context["tenant_id"])


def lines_of(caller, tmp_path) -> list[dict]:
    path = tmp_path / f"{random.random()}.jsonl"
    call_command("export_ledger", str(caller.tenant.id), "metered-transactions", "--format", "jsonl", "--output", str(path))
    return [json.loads(line) for line in path.read_text().splitlines()]


def counted(line: dict) -> dict:
    """What one line of an export counts for."""
    active = [cost for cost in line.get("costs") or [] if cost.get("supersededBy") is None]
    reported = [fact for fact in line.get("reported_facts") or [] if fact["phase"] != "request"]
    calls: dict = {}
    for fact in [fact for fact in reported if fact["phase"] == "response"] or reported:
        calls = {call: used for call, used in calls.items() if call != fact.get("callId")} | {fact.get("callId"): fact["facts"]}
    named = [used["model"] for used in calls.values()]
    model = named[-1] if named else "gpt-4o" if line["resource_name"] == "gpt-4o" else None
    team = (line.get("metadata") or {}).get("team")
    return {
        "clock": {"occurred": datetime.fromisoformat(line["occurred_at"]), "recorded": datetime.fromisoformat(line["created_at"])},
        "values": {
            "service": line["service_name"],
            "action": line["action_name"],
            "resource": line["resource_name"],
            "model": model,
            "agent": line.get("agent_name"),
            "customer": line.get("customer_id"),
            "trace": line["trace_id"],
            "outcome": line.get("outcome"),
            "metadata.team": None if team is None else str(team),
        },
        "costs": [(cost["fiatAssetSymbol"], Decimal(cost["fiatAmount"]), cost["isEstimate"]) for cost in active],
        "tokens": {token: sum(used[key] for used in calls.values()) for token, key in zip(TOKENS, KEYS, strict=True)},
    }


def local_start(moment: datetime, interval: str | None, zone: ZoneInfo):
    """The interval that a moment is in, as a local date or hour."""
    local = moment.astimezone(zone)
    if interval == "hour":
        return (moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)).astimezone(UTC)
    days = {"day": 0, "week": local.weekday(), "month": local.day - 1}
    return local.date() - timedelta(days=days[interval]) if interval else None


def expected_of(lines, asked: dict) -> dict:
    """By interval and group: the count, the sums by currency, the tokens."""
    zone, interval = ZoneInfo(asked["timezone"]), asked.get("interval")
    groups = [name for name in asked["group_by"].split(",") if name]
    found: dict = defaultdict(
        lambda: {"count": 0, "spend": defaultdict(lambda: (Decimal(0), Decimal(0))), "tokens": dict.fromkeys(TOKENS, 0)}
    )
    for line in lines:
        one = counted(line)
        moment = one["clock"][asked["clock"]]
        if not asked["since"] <= moment < asked["until"]:
            continue
        currencies = sorted({code for code, _, _ in one["costs"]}) or [None]
        wanted = {name.removeprefix("filter[")[:-1]: value for name, value in asked.items() if name.startswith("filter[")}
        wanted.pop("from_date"), wanted.pop("to_date")
        absent = wanted.pop("absent", None)
        seen = set()
        for place, code in enumerate(currencies):
            values = one["values"] | {"currency": code}
            if any(values[name] != value for name, value in wanted.items()) or (absent and values[absent] is not None):
                continue
            key = (local_start(moment, interval, zone), *(values[name] for name in groups))
            row = found[key]
            row["count"] += key not in seen
            seen.add(key)
            for cost_code, amount, is_estimate in one["costs"]:
                if cost_code == code:
                    total, estimated = row["spend"][code]
                    row["spend"][code] = (total + amount, estimated + amount * is_estimate)
            if place == 0:
                row["tokens"] = {name: row["tokens"][name] + one["tokens"][name] for name in TOKENS}
    return dict(found)


def answered(caller, asked: dict) -> dict:
    zone, interval = ZoneInfo(asked["timezone"]), asked.get("interval")
    names = {agent["id"]: agent["name"] for agent in caller.get("/v1/agents").json()["data"]}
    ids = {name: id for id, name in names.items()}
    sent = {name: value for name, value in asked.items() if name not in {"since", "until"} and value}
    if "filter[agent]" in sent:
        sent["filter[agent]"] = ids[sent["filter[agent]"]]
    found, reply = {}, caller.get(QUERY, **sent, **{"page[limit]": 7})
    while True:
        body = reply.json()
        assert reply.status_code == 200, body
        for row in body["data"]:
            start = datetime.fromisoformat(row["startsAt"]) if interval else None
            group = [names.get(value, value) if name == "agent" else value for name, value in row["group"].items()]
            key = (start if interval == "hour" or start is None else start.astimezone(zone).date(), *group)
            assert key not in found
            spend = {one["fiatAssetSymbol"]: (Decimal(one["total"]), Decimal(one["estimated"])) for one in row["spend"]}
            assert all(Decimal(one["total"]) - Decimal(one["estimated"]) == Decimal(one["actual"]) for one in row["spend"])
            found[key] = {"count": row["count"], "spend": spend, "tokens": {name: row[name] for name in TOKENS}}
            listed = caller.client.get(row["links"]["transactions"] + "&page%5Blimit%5D=100", headers=caller.headers).json()
            assert len(listed["data"]) == row["count"], row
        if body["links"]["next"] is None:
            return found
        reply = caller.client.get(body["links"]["next"], headers=caller.headers)


def random_question(choose, random_of) -> dict:
    zone = choose(ZONES)
    edges = [datetime(2026, 3, 28, 5, 7, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC), timezone.now() - timedelta(days=3)]
    since = choose(edges)
    until = choose([since + timedelta(days=2, minutes=17), since + timedelta(days=40), timezone.now() + timedelta(minutes=1)])
    interval = choose([None, "hour", "day", "week", "month"])
    if interval == "hour":
        until = min(until, since + timedelta(days=50))
    groups = random_of(DIMENSIONS, choose([0, 1, 2, 2]))
    filters = {}
    for name in random_of([name for name in DIMENSIONS if name != "trace"], choose([0, 0, 1, 2])):
        value = choose(VALUES[name])
        filters |= {f"filter[{name}]": value}
    if choose([True, False]) and "filter[customer]" not in filters:
        filters["filter[absent]"] = "customer"
    if len({*groups, *(name[7:-1] for name in filters)} - {"currency", "outcome"}) > 2 or "trace" in groups:
        until = min(until, since + timedelta(days=7 if "trace" in groups else 31))
    text = {"filter[from_date]": since.isoformat(), "filter[to_date]": until.isoformat()}
    asked = {"timezone": zone, "interval": interval, "group_by": ",".join(groups), "clock": choose(["occurred", "recorded"])}
    return asked | filters | text | {"since": since, "until": until}


@pytest.mark.parametrize("seed", range(3))
def test_every_question_is_answered_as_an_export_adds_up(caller, outsider, tmp_path, seed):
    history = History(caller, seed)
    outsider.create(costs=[{"fiatAmount": "7", "fiatAssetSymbol": "USD", "isEstimate": False}])
    history.take(40)
    services.declare_key(**history.context, place="metadata", name="team")
    history.take(40)
    assert services.backfill_keys() >= 1
    history.take(20)
    lines = lines_of(caller, tmp_path)
    for _ in range(25):
        asked = random_question(history.random.choice, history.random.sample)
        assert answered(caller, asked) == expected_of(lines, asked), asked
    assert list(checks.find_violations()) == []


USAGE_CORRUPTIONS = [
    ("UPDATE metering_usagesum SET amount = amount + 1 WHERE first_dimension = 1 AND second_dimension = 4", "metering_usage_sum"),
    ("UPDATE metering_usagesum SET input_tokens = input_tokens + 1 WHERE grain = 'hour' AND second_dimension = 6", "metering_usage_sum"),
    ("DELETE FROM metering_usagesum WHERE grain = 'hour'", "metering_usage_sum"),
    ("UPDATE metering_usagesum SET clock = 'occurred'", "metering_usage_sum"),
    ("UPDATE metering_usage SET model = 'other'", "metering_usage_sum"),
    ("UPDATE metering_usage SET customer = 'other'", "metering_usage_equals_rows"),
    ("DELETE FROM metering_usage", "metering_usage_equals_rows"),
    ("DELETE FROM metering_usagenote", "metering_usage_equals_rows"),
    ("UPDATE metering_cost SET fiat_amount = 9", "metering_usage_equals_rows"),
]


@pytest.mark.parametrize(("statement", "check"), USAGE_CORRUPTIONS, ids=[str(number) for number in range(len(USAGE_CORRUPTIONS))])
def test_each_corruption_of_what_is_counted_is_found_and_repaired(caller, statement, check):
    created = caller.create(costs=[ESTIMATE])
    caller.create(costs=[ESTIMATE])
    services.count_usage(tenant_id=caller.tenant.id)
    caller.post(f"/v1/transactions/{created['id']}/complete", {"outcome": "success", "responseFacts": RESPONSE})
    assert violated() == set()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE metering_cost DISABLE TRIGGER USER")
        cursor.execute(statement)
        assert cursor.rowcount >= 1
    assert check in violated()
    call_command("count_usage", "--tenant", str(caller.tenant.id), "--again")
    assert violated() & {"metering_usage_equals_rows", "metering_usage_sum"} == set()


MISREADINGS = [
    "UPDATE metering_usage SET input_tokens = input_tokens + 1",
    "UPDATE metering_usage SET model = 'other'",
    'UPDATE metering_usage SET keys = \'{"7": "blue"}\'',
]


@pytest.mark.parametrize("statement", MISREADINGS)
def test_what_is_counted_and_summed_alike_but_is_not_what_the_facts_say_is_found(caller, statement):
    """A change of what transactions count for, with all its sums: nothing but the facts and documents says that it is wrong."""
    services.declare_key(tenant_id=caller.tenant.id, actor="a", request_id="", place="metadata", name="team")
    caller.create(outcome="success", responseFacts=RESPONSE, metadata={"team": "red"})
    services.count_usage(tenant_id=caller.tenant.id)
    assert list(find_misread_usage(None, 10)) == []
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("DELETE FROM metering_usagesum")
        cursor.execute(
            "SELECT metering_add_usage(%s, ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[], NULL, (SELECT array_agg(ROW("
            "occurred_at, recorded_at, service, action, resource, model, agent, customer, currency, outcome, keys, transactions, repeated, "
            "amount, estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, input_audio_tokens, "
            "output_audio_tokens, reasoning_tokens)::metering_counted) FROM metering_usage))",
            [caller.tenant.id],
        )
    assert violated() == set()
    [violation] = find_misread_usage(caller.tenant.id, 10)
    assert len(violation.facts) == 3
    assert "metering_usage_reading" in {name for name, _, search in checks_of("metering") if list(search(None, 1))}
    call_command("count_usage", "--tenant", str(caller.tenant.id), "--again")
    assert list(find_misread_usage(None, 10)) == []


def violated() -> set[str]:
    return {violation.check.name for violation in checks.find_violations(at_most=10)}


def statements_of(call) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        call()
    return [query["sql"] for query in queries]


def test_a_posting_writes_nothing_for_questions_and_a_change_leaves_one_note(caller):
    services.declare_key(tenant_id=caller.tenant.id, actor="a", request_id="", place="metadata", name="team")
    tables = (Usage, UsageSum, UsageNote, UsageProgress)
    created = caller.create(costs=[ESTIMATE], metadata={"team": "red"})
    assert [table.objects.count() for table in tables] == [0, 0, 0, 0]
    caller.post(f"/v1/transactions/{created['id']}/complete", {"outcome": "success", "responseFacts": RESPONSE})
    assert [table.objects.count() for table in tables] == [0, 0, 1, 0]
    [row] = caller.get(QUERY, group_by="metadata.team,model").json()["data"]
    assert (row["group"], row["count"], row["inputTokens"]) == ({"metadata.team": "red", "model": "gpt-4o"}, 1, 1200)
    assert [table.objects.count() for table in (Usage, UsageNote, UsageProgress)] == [1, 0, 1]
    # Once all is counted, the question itself is one statement over the sums.
    asked = statements_of(lambda: caller.get(QUERY, group_by="model,metadata.team"))
    assert sum("metering_usagesum" in sql for sql in asked) == 1
    assert len(asked) <= 12, asked


NOW = datetime(2026, 11, 1, tzinfo=UTC)


def record(caller, *moments: datetime, **facts) -> None:
    """A transaction of a dollar at each moment."""
    context = {"tenant_id": caller.tenant.id, "actor": "command:test", "request_id": ""}
    cost = {"fiat_amount": Decimal(1), "fiat_asset_symbol": "USD", "is_estimate": False}
    names = {"service_name": "s", "action_name": "a", "resource_name": "r"} | facts
    services.record_transactions(**context, transactions=[names | {"occurred_at": at, "costs": [cost]} for at in moments])


@pytest.mark.parametrize(
    ("zone", "interval", "since", "until", "starts"),
    [
        # Half an hour off, by the day and by the hour.
        ("Asia/Kolkata", "day", "2026-03-01", "2026-03-02", ["02-28T18:30", "03-01T18:30"]),
        ("Asia/Kolkata", "hour", "2026-02-28T23:30:00Z", "2026-03-01T02:00:00Z", ["02-28T23:30", "03-01T00:30", "03-01T01:30"]),
        # A day of 23 hours and one of 25.
        ("Europe/Berlin", "day", "2026-03-28", "2026-03-30", ["03-27T23:00", "03-28T23:00", "03-29T22:00"]),
        ("Europe/Berlin", "day", "2026-10-24", "2026-10-26", ["10-23T22:00", "10-24T22:00", "10-25T23:00"]),
        ("Europe/Berlin", "hour", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
        # A clock that is put back by half an hour, and one that is put forward at midnight.
        ("Australia/Lord_Howe", "hour", "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z", ["04-04T14:00", "04-04T15:00", "04-04T15:30"]),
        ("Africa/Cairo", "day", "2026-04-23", "2026-04-25", ["04-22T22:00", "04-23T22:00", "04-24T21:00"]),
        ("Asia/Kathmandu", "month", "2026-01-01", "2026-02-28", ["12-31T18:15", "01-31T18:15"]),
        ("America/New_York", "week", "2026-03-02", "2026-03-15", ["03-02T05:00", "03-09T04:00"]),
    ],
)
def test_intervals_begin_as_clocks_of_their_zone_do(caller, zone, interval, since, until, starts):
    moments = [datetime.fromisoformat(f"{2025 if start.startswith('12-31') else 2026}-{start}:00+00:00") for start in starts]
    record(caller, *moments, *(moment - timedelta(microseconds=1) for moment in moments[1:]))
    asked = {"timezone": zone, "interval": interval, "filter[from_date]": since, "filter[to_date]": until, "group_by": "service,customer"}
    rows = caller.get(QUERY, **asked).json()["data"]
    last = len(moments) - 1
    assert [(row["startsAt"], row["count"]) for row in rows] == [
        (f"{moment:%Y-%m-%dT%H:%M:%S}.000Z", 2 if place < last else 1) for place, moment in enumerate(moments)
    ]


def test_days_of_a_zone_of_whole_hours_are_made_of_sums_also_where_the_clock_changes(caller):
    moments = [datetime(2026, 10, 24, 22, 30, tzinfo=UTC) + timedelta(hours=hours) for hours in (-1, 0, 24, 25, 30)]
    record(caller, *moments, customer_id="ada")
    asked = {"timezone": "Europe/Berlin", "interval": "day", "group_by": "customer,resource"}
    asked |= {"filter[from_date]": "2026-10-01", "filter[to_date]": "2026-10-31"}
    caller.get(QUERY, **asked)
    with CaptureQueriesContext(connection) as queries:
        rows = caller.get(QUERY, **asked).json()["data"]
    assert [(row["startsAt"], row["count"]) for row in rows] == [
        ("2026-10-23T22:00:00.000Z", 1),
        ("2026-10-24T22:00:00.000Z", 2),
        ("2026-10-25T23:00:00.000Z", 2),
    ]
    asked_sums = [query["sql"] for query in queries if "metering_usagesum AS stored" in query["sql"]]
    assert 1 <= len(asked_sums) <= 3
    assert not any("metering_usage AS stored" in sql for sql in asked_sums)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"group_by": "modle"}, "group_by has the unknown name modle; did you mean model?"),
        ({"group_by": "qualifiers.evn"}, "group_by has the unknown name qualifiers.evn; did you mean qualifiers.env?"),
        ({"group_by": "metadata.env"}, "group_by has the unknown name metadata.env"),
        ({"group_by": "model,model"}, "group_by must not be there twice"),
        ({"group_by": "model,agent,trace"}, "group_by takes at most 2 names"),
        ({"group_by": ""}, "group_by has the unknown name "),
        ({"measures": "count,inputToken"}, "measures has the unknown name inputToken; did you mean inputTokens?"),
        ({"filter[modl]": "x"}, "filter[modl] should not exist; did you mean filter[model]?"),
        ({"filter[qualifiers.en]": "x"}, "filter[qualifiers.en] should not exist; did you mean filter[qualifiers.env]?"),
        ({"filter[qualifiers.env": "x"}, "filter[qualifiers.env should not exist; did you mean filter[qualifiers.env]?"),
        ({"filter[qualifiers.env]": ["x", "y"]}, "filter[qualifiers.env] must be given once"),
        ({"filter[absent]": "agent", "filter[agent]": "01a22654-327e-75fd-8334-bb8f02a435d6"}, "filter[absent] has agent, which another"),
        ({"filter[outcome]": "fine"}, "filter[outcome] must be one of the following values: success, error"),
        ({"timezone": "Asia/Kalkata"}, "timezone must be an IANA time zone, as Europe/Berlin; did you mean Asia/Kolkata?"),
        ({"timezone": "../etc/passwd"}, "timezone must be an IANA time zone, as Europe/Berlin"),
        ({"interval": "hour", "filter[from_date]": "2026-01-01"}, "interval leads to more than 1500 points"),
        ({"interval": "year"}, "interval must be one of the following values: hour, day, week, month"),
        ({"filter[from_date]": "1901-01-01"}, "filter[from_date] leads to more than 3660 days"),
        ({"filter[from_date]": "2026-01-01", "group_by": "trace"}, "filter[from_date] leads to more than 7 days"),
        (
            {"filter[from_date]": "2026-01-01", "group_by": "model,agent", "filter[outcome]": "error", "filter[action]": "x"},
            "filter[from_date] leads to more than 31",
        ),
        ({"filter[from_date]": "2026-10-02", "filter[to_date]": "2026-10-01"}, "filter[to_date] must be later than the beginning"),
        ({"page[after]": "x"}, "page[after] must be a cursor of this list"),
        ({"page[limit]": "1001"}, "page[limit] must not be greater than 1000"),
        ({"clock": "mine"}, "clock must be one of the following values: occurred, recorded"),
    ],
)
def test_what_a_question_may_not_ask(caller, asked, message):
    caller.post("/v1/analytics/keys", {"place": "qualifiers", "name": "env"})
    reply = caller.get(QUERY, **asked)
    assert reply.status_code == 400
    assert reply.json()["message"][0].startswith(message)


def test_a_cursor_is_good_for_its_own_question_only(caller, outsider):
    record(caller, NOW, NOW, customer_id="x" * 255)
    record(caller, NOW, resource_name="\N{GREEK SMALL LETTER ALPHA}" * 2048)
    record(caller, NOW, resource_name="\N{GREEK SMALL LETTER ALPHA}" * 2047)
    asked = {"group_by": "resource,customer", "page[limit]": 1, "filter[from_date]": "2026-10-31", "filter[to_date]": "2026-11-02"}
    found, address = [], None
    while address is not None or not found:
        body = (caller.client.get(address, headers=caller.headers) if address else caller.get(QUERY, **asked)).json()
        found += [(row["group"]["resource"], row["count"]) for row in body["data"]]
        address = body["links"]["next"]
        if address:
            assert outsider.client.get(address, headers=outsider.headers).status_code == 400
            assert caller.client.get(f"{address}&clock=occurred", headers=caller.headers).status_code == 200
            assert caller.client.get(f"{address}&clock=recorded", headers=caller.headers).status_code == 400
            assert caller.client.get(f"{address}&filter%5Bcustomer%5D=y", headers=caller.headers).status_code == 400
    assert sorted(found) == sorted([("r", 2), ("α" * 2048, 1), ("α" * 2047, 1)])


def test_the_next_page_is_of_the_same_span_when_the_next_hour_has_begun(caller):
    record(caller, timezone.now(), customer_id="ada")
    record(caller, timezone.now(), customer_id="bob")
    full_hour = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=3)
    with time_machine.travel(full_hour - timedelta(seconds=10), tick=False):
        first = caller.get(QUERY, group_by="customer", **{"page[limit]": 1, "filter[time_period]": "30d"}).json()
    with time_machine.travel(full_hour + timedelta(seconds=10), tick=False):
        last = caller.client.get(first["links"]["next"], headers=caller.headers).json()
    assert [row["group"]["customer"] for row in (*first["data"], *last["data"])] == ["ada", "bob"]
    assert (last["meta"]["fromDate"], last["meta"]["toDate"]) == (first["meta"]["fromDate"], first["meta"]["toDate"])


def test_a_key_counts_from_its_declaration_until_the_job_has_counted_what_is_older(caller, outsider):
    def ask(**asked):
        return caller.get(QUERY, group_by="qualifiers.env", **asked)

    caller.create(qualifiers={"env": "prod"}, costs=[ESTIMATE])
    caller.create(qualifiers={"env": {"deep": [1]}})
    assert ask().status_code == 400
    caller.get(QUERY)
    declared = caller.post("/v1/analytics/keys", {"place": "qualifiers", "name": "env"}).json()
    caller.create(qualifiers={"env": "prod"})
    refused = ask()
    assert (refused.status_code, refused.json()["message"][:43]) == (409, "Usage is counted by qualifiers.env from 202")
    assert [row["count"] for row in ask(**{"filter[from_date]": declared["countsFrom"]}).json()["data"]] == [1]
    call_command("count_usage")
    assert [(row["group"]["qualifiers.env"], row["count"]) for row in ask().json()["data"]] == [("prod", 2), ('{"deep":[1]}', 1)]
    assert outsider.get("/v1/analytics/keys").json()["data"] == []
    address = f"/v1/analytics/keys/{declared['id']}/withdraw"
    assert outsider.post(address).status_code == 404
    assert caller.post(address).status_code == 200
    assert ask().status_code == 400
    call_command("count_usage")
    assert not UsageSum.objects.filter(first_dimension__gte=7).exists()
    again = caller.post("/v1/analytics/keys", {"place": "qualifiers", "name": "env"}).json()
    assert again["countsFrom"] is not None
    call_command("count_usage")
    assert [row["count"] for row in ask().json()["data"]] == [2, 1]
    assert violated() == set()


def test_at_most_eight_keys(caller):
    replies = [caller.post("/v1/analytics/keys", {"place": "metadata", "name": f"k{number}"}).status_code for number in range(9)]
    assert replies == [201] * 8 + [409]
    for name in ("", "a]", "a,b", " a", "x" * 65):
        assert caller.post("/v1/analytics/keys", {"place": "metadata", "name": name}).status_code == 400


def test_a_transaction_with_two_currencies_counts_in_each_and_once_over_all(caller):
    created = caller.create(costs=[ESTIMATE, ESTIMATE | {"fiatAssetSymbol": "EUR"}])
    caller.post(f"/v1/transactions/{created['id']}/facts", RESPONSE | {"factPhase": "partial"})
    [row] = caller.get(QUERY).json()["data"]
    assert (row["count"], len(row["spend"]), row["inputTokens"]) == (1, 2, 1200)
    rows = caller.get(QUERY, group_by="currency").json()["data"]
    assert [(row["group"]["currency"], row["count"], row["inputTokens"]) for row in rows] == [("EUR", 1, 1200), ("USD", 1, 0)]
    assert [row["count"] for row in caller.get(QUERY, **{"filter[currency]": "USD"}).json()["data"]] == [1]


def test_a_currency_of_which_nothing_is_left_is_none_of_the_spend(caller):
    created = caller.create(costs=[ESTIMATE | {"fiatAssetSymbol": "EUR"}])
    assert [one["fiatAssetSymbol"] for one in caller.get(QUERY).json()["data"][0]["spend"]] == ["EUR"]
    actual = {"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": False, "supersedesCostId": created["costs"][0]["id"]}
    assert caller.post(f"/v1/transactions/{created['id']}/costs", actual).status_code == 201
    assert [one["fiatAssetSymbol"] for one in caller.get(QUERY).json()["data"][0]["spend"]] == ["USD"]


def test_the_last_response_of_each_model_call_counts(caller):
    created = caller.create()
    for call, tokens in (("a", 7), ("a", 20), ("b", 5)):
        report = RESPONSE | {"factPhase": "response", "callId": call, "facts": {"inputTokens": tokens}}
        assert caller.post(f"/v1/transactions/{created['id']}/facts", report).status_code == 201
    [row] = caller.get(QUERY).json()["data"]
    assert (row["count"], row["inputTokens"]) == (1, 25)
