"""What was measured, on what machine, with what else going on: as JSON for later and as a table for people."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure import row_of

FOLDER = Path(__file__).with_name("results")
HEAD = "| path | Countinghouse | ratio to its peers |\n|---|---|---|\n"


def machine() -> dict[str, Any]:
    """The facts that figures depend on."""
    return {
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
    }


def load() -> list[float]:
    """How many processes wanted to run, over 1, 5 and 15 minutes: well above zero before the start means that others work here."""
    return [round(value, 2) for value in os.getloadavg()]


def write(name: str, *, comparisons: list[dict[str, Any]], facts: dict[str, Any]) -> Path:
    """Write one run's results; a run of the same name replaces those of its paths and leaves the others."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    earlier = json.loads(path.read_text())["paths"] if path.exists() else []
    measured = {comparison["path"] for comparison in comparisons}
    run = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **facts}
    paths = [*(old for old in earlier if old["path"] not in measured), *({**comparison, "run": run} for comparison in comparisons)]
    path.write_text(json.dumps({"paths": paths}, indent=1, ensure_ascii=False) + "\n")
    path.with_suffix(".md").write_text(table(paths))
    return path


def table(paths: list[dict[str, Any]]) -> str:
    return HEAD + "".join(f"| {' | '.join(row_of(facts))} |\n" for facts in paths)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()
