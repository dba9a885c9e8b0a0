"""The list of changes in tests/mutation/changes.toml, read and checked."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIST = Path(__file__).resolve().parent / "changes.toml"


@dataclass(frozen=True)
class Change:
    """One fault to plant: `old` stands exactly once in `file` and becomes `new`; one of `tests` should fail.

    `survives` explains a change that no test can notice, because it changes nothing that anybody could see: it doesn't count.
    `unnoticed` explains a change that changes something and that no test notices: it counts against the score.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""
    unnoticed: str = ""

    @property
    def is_sql(self) -> bool:
        return self.file.endswith(".sql")

    def problem(self) -> str:
        """Why the change can't be made in this checkout; empty if it can."""
        path = ROOT / self.file
        if not path.is_file():
            return f"{self.file} doesn't exist"
        count = path.read_text().count(self.old)
        if count != 1:
            return f"the old text stands {count} times in {self.file}"
        missing = [test for test in self.tests if not (ROOT / test.partition("::")[0]).exists()]
        return f"no such tests: {', '.join(missing)}" if missing else ""

    def changed(self, text: str) -> str:
        return text.replace(self.old, self.new)


def read_changes() -> list[Change]:
    """Raises TypeError for an unknown key, KeyError for a group of tests that isn't defined."""
    content = tomllib.loads(LIST.read_text())
    groups: dict[str, list[str]] = content["tests"]
    return [Change(**entry | {"tests": tuple(groups[entry["tests"]])}) for entry in content["change"]]
