"""A pytest plugin for bin/mutate: keeps one test session open and runs the tests that its parent asks for, as often as it asks.

Each line of the pipe named in MUTATION_REQUESTS is a request, each line of the one in MUTATION_REPLIES its reply, both in JSON (session.py
is the other end). So Django is started, tests are collected and the test database is made once for all changes, not once for each.
"""

import json
import os
import time
from typing import Any

import pytest


def is_of(item: pytest.Item, test: str) -> bool:
    """Whether a test is named by an id, by what ids with parameters begin with (`file::name[part`), by its file or its folder."""
    starts = (test,) if "[" in test else (f"{test}::", f"{test}[", f"{test}/")
    return item.nodeid == test or item.nodeid.startswith(starts)


class AskedTests:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.has_failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        with os.fdopen(int(os.environ["MUTATION_REQUESTS"])) as requests, os.fdopen(int(os.environ["MUTATION_REPLIES"]), "w") as replies:
            for line in requests:
                replies.write(json.dumps(self.reply(session.items, **json.loads(line))) + "\n")
                replies.flush()
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.has_failed = self.has_failed or report.failed

    def reply(self, items: list[pytest.Item], *, tests: list[str], likely: list[str], seconds: float) -> dict[str, Any]:
        """Runs until one test fails. `failed` is its id; `ended` is false where the time was over before the last test."""
        end = time.monotonic() + seconds
        chosen = self.in_order(items, tests, likely)
        for item in chosen:
            if time.monotonic() > end:
                return {"failed": None, "ended": False, "ran": len(chosen)}
            if self.fails(item):
                return {"failed": item.nodeid, "ended": True, "ran": len(chosen)}
        return {"failed": None, "ended": True, "ran": len(chosen)}

    def in_order(self, items: list[pytest.Item], tests: list[str], likely: list[str]) -> list[pytest.Item]:
        """The likely ones first, then those of `tests`, the quicker ones first as far as they have run before."""
        first: dict[str, pytest.Item] = {}
        for test in likely:
            first.update({item.nodeid: item for item in items if is_of(item, test)})
        rest = [item for item in items if item.nodeid not in first and any(is_of(item, test) for test in tests)]
        return [*first.values(), *sorted(rest, key=lambda item: self.seconds.get(item.nodeid, 1.0))]

    def fails(self, item: pytest.Item) -> bool:
        self.has_failed = False
        started = time.monotonic()
        # With the session as what comes next, only the fixtures of the whole session stay for the next test: it may be any, this one too.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=item.session)
        self.seconds[item.nodeid] = time.monotonic() - started
        return self.has_failed


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(AskedTests())
