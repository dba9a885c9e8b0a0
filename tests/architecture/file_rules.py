"""What no committed file may hold: a path of somebody's machine, the address of a package registry, a note to be done later."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Put together here, so that this file holds none of them itself.
REGISTRIES = [
    ".".join(host)
    for host in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("crates", "io"),
        ("golang", "org"),
        ("docker", "io"),
    )
]
LATER = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
RULES = [
    (re.compile(r"(?<![\w.~-])/(?:root|work|home/\w+|Users/\w+)/"), "is a path of one machine: name it from the checkout"),
    (re.compile("|".join(re.escape(host) for host in REGISTRIES)), "is the address of a package registry: name the package alone"),
    (re.compile(rf"\b(?:{'|'.join(LATER)})\b"), "puts work off: do it, or write down as a decision why not"),
    (re.compile(r"\.\./" + "shared"), "is outside the project: the project's files stand alone"),
    (re.compile(r"(?i)\bissue #?\d+\b"), "speaks of a tracker: say the reason itself"),
]
LOCK_RULE = (re.compile("://"), "is an address: renew the file with bin/lock")


def violations(name: str, text: str) -> list[str]:
    """What is wrong with a file of this name (from the checkout) and text; the checkout's own path is found as well."""
    rules = [*RULES, (re.compile(re.escape(f"{ROOT}/")), "is a path of this machine: name it from the checkout")]
    if name.startswith("requirements"):
        rules.append(LOCK_RULE)
    return [
        f"{name}:{number} {found.group()!r} {reason}."
        for number, line in enumerate(text.splitlines(), start=1)
        for rule, reason in rules
        if (found := rule.search(line))
    ]


def committed_files() -> list[Path]:
    listing = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode == 0:
        return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]
    # A copy without its history.
    outside = {".venv", "var", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not outside & set(path.relative_to(ROOT).parts)]


def all_violations() -> list[str]:
    found = []
    for path in committed_files():
        content = path.read_bytes()
        # A picture or a font has no lines to read.
        if b"\0" not in content:
            found += violations(path.relative_to(ROOT).as_posix(), content.decode(errors="replace"))
    return found


if __name__ == "__main__":
    wrong = all_violations()
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    sys.exit(bool(wrong))
