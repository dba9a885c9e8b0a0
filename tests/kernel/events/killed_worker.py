"""A worker that ends itself with SIGKILL at one point: `python -m tests.kernel.events.killed_worker POINT`, with DATABASE_URL set."""

import os
import signal
import sys

import django

POINTS = ("fanning_out", "fanned_out", "leased", "sent", "recording")


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(module: object, name: str) -> None:
    """End the process as soon as a function of the module has done something."""
    function = getattr(module, name)

    def call(*args: object, **kwargs: object) -> object:
        outcome = function(*args, **kwargs)
        if outcome not in (0, []):
            die()
        return outcome

    setattr(module, name, call)


def main(point: str) -> None:
    django.setup()
    from kernel.events import delivery_loop
    from kernel.events.services import delivery_results, fan_out

    if point == "fanning_out":
        fan_out._deliveries = die
    elif point == "recording":
        delivery_results._result = die
    else:
        die_after(delivery_loop, {"fanned_out": "fan_out", "leased": "claim", "sent": "send_leased"}[point])
    delivery_loop.DeliveryLoop(threads=2).run()


if __name__ == "__main__":
    main(sys.argv[1])
