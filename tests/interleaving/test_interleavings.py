"""Each call of each ledger, held at each lock that it takes while each other call runs, does what some serial order does."""

import pytest

from tests.interleaving.credits_calls import SCENES as CREDITS
from tests.interleaving.harness import Scene, Sessions, anomalies

# A ledger joins by adding its scenes here.
SCENES = (*CREDITS,)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sessions(settings):
    # A call that is held shall wait, and not go along with the other one.
    settings.LEDGER_BATCHING = False
    opened = Sessions()
    yield opened
    opened.close()


CALLS = [pytest.param(scene, name, id=f"{scene.name}-{name}") for scene in SCENES for name in scene.calls]


@pytest.mark.parametrize(("scene", "held"), CALLS)
def test_a_call_that_waited_does_what_some_serial_order_does(sessions: Sessions, scene: Scene, held: str):
    found = anomalies(scene, sessions, held)
    assert not found, "\n\n".join(found)
