"""The HTTP client: wrk, which costs so little that the servers get the machine."""

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.database import NotHere
from benchmarks.measure import Sample

SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Post:
    """The calls to send: where, as whom, and a body in which ACCOUNT and KEY are replaced for each."""

    url: str
    path: str
    authorization: str
    tenant: str
    body: str


def require_wrk() -> str:
    """The client's program; on Debian, as root, it is installed. Raises NotHere."""
    if shutil.which("wrk") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "wrk"], check=False, stdout=subprocess.DEVNULL)  # noqa: S607
    found = shutil.which("wrk")
    if found is None:
        raise NotHere("the client is wrk, and it is not installed: apt-get install wrk")
    return found


def send(post: Post, *, accounts: Path, connections: int, seconds: int) -> Sample:
    """Keep `connections` calls going for a while. Errors: every answer that isn't 2xx, and every call without an answer."""
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(SCRIPT), post.url, "--"]
    arguments = [f"{secrets.token_hex(6)}-", str(accounts), post.path, post.authorization, post.body, post.tenant]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)  # noqa: S603
    report = json.loads(done.stdout.rpartition("RESULT ")[2])
    good = report["requests"] - report["refused"]
    failed = report["refused"] + report["broken"]
    return Sample(rate=good / report["microseconds"] * 1e6, errors=failed / max(good + failed, 1), p99_ms=report["p99"] / 1000)
