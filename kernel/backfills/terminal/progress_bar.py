"""Progress on standard error: a bar on a terminal, one line a minute elsewhere."""

import sys
import time
from typing import Any

from tqdm import tqdm

LINE_EVERY_SECONDS = 60.0


class Progress:
    """`total` in units of `unit` ("row", or "B" for bytes); None if unknown. `visible=False` prints nothing at all."""

    def __init__(self, *, label: str, total: int | None, unit: str, visible: bool, done: int = 0) -> None:
        is_terminal = sys.stderr.isatty()
        self.label, self.total = label, total
        self.unit = "bytes" if unit == "B" else f"{unit}s"
        self.prints_lines = visible and not is_terminal
        self.began = self.printed_at = time.monotonic()
        self.done = done
        self.bar: Any = tqdm(
            desc=label,
            total=total,
            initial=done,
            unit=unit,
            unit_scale=unit == "B",
            dynamic_ncols=True,
            smoothing=0.1,
            disable=not (visible and is_terminal),
        )

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *args: object) -> None:
        self.bar.close()

    def advance(self, count: int, *, note: str = "") -> None:
        self.done += count
        if not self.bar.disable:
            self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(count)
        self._print_line(note)

    def reach(self, place: int) -> None:
        """Set the absolute position; a position behind the current one is ignored."""
        self.advance(max(0, place - self.done))

    def _print_line(self, note: str) -> None:
        now = time.monotonic()
        if not self.prints_lines or now - self.printed_at < LINE_EVERY_SECONDS:
            return
        self.printed_at = now
        total = f" of {self.total:,}" if self.total else ""
        suffix = f", {note}" if note else ""
        sys.stderr.write(f"{self.label}: {self.done:,}{total} {self.unit} after {now - self.began:,.0f} s{suffix}\n")
