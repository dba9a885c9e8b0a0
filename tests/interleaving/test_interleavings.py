"""Each call, blocked at each of its locks while each other call runs, has the result of some serial order of the two."""

import pytest

from kernel.ledger.posting import statements
from tests.interleaving.billing_calls import SCENES as BILLING
from tests.interleaving.credits_calls import SCENES as CREDITS
from tests.interleaving.harness import Scene, Sessions, anomalies
from tests.interleaving.metering_calls import SCENES as METERING
from tests.interleaving.paying_calls import SCENES as PAYING
from tests.interleaving.rules_calls import SCENES as RULES

# A ledger is tested by adding its scenes here.
SCENES = (*CREDITS, *BILLING, *METERING, *PAYING, *RULES)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sessions(settings, monkeypatch):
    # With batching, the two calls could be sent in one statement.
    settings.LEDGER_BATCHING = False
    is_lost_race = statements._is_lost_race

    def is_no_deadlock(error, retryable_constraints):
        """A deadlock that PostgreSQL itself found is an anomaly: some call locks out of order. Repeating the call would hide it."""
        return is_lost_race(error, retryable_constraints) and error.__cause__.diag.message_primary != "deadlock detected"

    monkeypatch.setattr(statements, "_is_lost_race", is_no_deadlock)
    opened = Sessions()
    yield opened
    opened.close()


CALLS = [pytest.param(scene, name, id=f"{scene.name}-{name}") for scene in SCENES for name in scene.calls]


@pytest.mark.parametrize(("scene", "held"), CALLS)
def test_a_call_that_waited_has_the_result_of_some_serial_order(sessions: Sessions, scene: Scene, held: str):
    messages = anomalies(scene, sessions, held)
    assert not messages, "\n\n".join(messages)
