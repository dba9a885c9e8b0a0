"""Each call, blocked at each of its locks while each other call runs, has the result of some serial order of the two."""

import pytest

from tests.interleaving.billing_calls import SCENES as BILLING
from tests.interleaving.credits_calls import SCENES as CREDITS
from tests.interleaving.harness import Scene, Sessions, anomalies
from tests.interleaving.metering_calls import SCENES as METERING

# A ledger is tested by adding its scenes here.
SCENES = (*CREDITS, *BILLING, *METERING)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sessions(settings):
    # With batching, the two calls could be sent in one statement.
    settings.LEDGER_BATCHING = False
    opened = Sessions()
    yield opened
    opened.close()


CALLS = [pytest.param(scene, name, id=f"{scene.name}-{name}") for scene in SCENES for name in scene.calls]


@pytest.mark.parametrize(("scene", "held"), CALLS)
def test_a_call_that_waited_has_the_result_of_some_serial_order(sessions: Sessions, scene: Scene, held: str):
    messages = anomalies(scene, sessions, held)
    assert not messages, "\n\n".join(messages)
