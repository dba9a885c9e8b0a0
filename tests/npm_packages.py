"""Packages of npm for tests: fetched once into var/, at a version that stays, and never committed."""

import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest

VAR = Path(__file__).resolve().parent.parent / "var"
# What npm says when it is the network that fails, and not the package.
UNREACHABLE = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|network")


def skip(what: str, reason: str) -> None:
    warnings.warn(f"{what}: {reason}", stacklevel=2)
    pytest.skip(f"{what}: {reason}")


def install(name: str, packages: Mapping[str, str], *, not_tried: str) -> Path:
    """The folder var/`name` with these packages in node_modules. Skips the test, saying `not_tried`, where npm can't get them."""
    folder = VAR / name
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        skip(not_tried, "node and npm are not installed")
    if not _are_installed(folder, packages):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        wanted = [f"{package}@{version}" for package, version in packages.items()]
        quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=1", "--fetch-timeout=30000"]
        try:
            command = [npm, "install", *quietly, *wanted]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
        except subprocess.TimeoutExpired:
            skip(not_tried, "npm got no answer within three minutes")
        if done.returncode and UNREACHABLE.search(done.stderr):
            skip(not_tried, "npm can't reach its registry")
        assert done.returncode == 0, done.stderr
    return folder


def _are_installed(folder: Path, packages: Mapping[str, str]) -> bool:
    manifests = {name: folder / "node_modules" / name / "package.json" for name in packages}
    return all(path.exists() and json.loads(path.read_text())["version"] == packages[name] for name, path in manifests.items())
