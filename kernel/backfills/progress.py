"""A bar on standard error with rate and time left; silent where standard error is no terminal."""

from typing import Any

from tqdm import tqdm


class Progress:
    """`total` in units of `unit` ("row" or "B" for bytes); None where nobody knows it."""

    def __init__(self, *, label: str, total: int | None, unit: str, shown: bool, done: int = 0) -> None:
        # None lets tqdm look whether standard error is a terminal.
        disable = None if shown else True
        self.bar: Any = tqdm(
            desc=label, total=total, initial=done, unit=unit, unit_scale=unit == "B", dynamic_ncols=True, smoothing=0.1, disable=disable
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *args: object) -> None:
        self.bar.close()

    def advance(self, count: int, *, note: str = "") -> None:
        if not self.bar.disable:
            self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(count)

    def reach(self, place: int) -> None:
        self.bar.update(max(0, place - self.bar.n))
