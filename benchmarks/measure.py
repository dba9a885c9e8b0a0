"""Candidates side by side: A B C, A B C, A B C; the median of each, its spread, and its errors."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One round of one candidate: how many pieces of work a second, and the share of them that failed."""

    rate: float
    errors: float = 0.0
    p99_ms: float | None = None


@dataclass
class Candidate:
    """Something that does the job, and what it did. `run` does one round; `says` is what differs from the others' job, if anything."""

    name: str
    run: Callable[[], Sample]
    says: str = ""
    samples: list[Sample] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def spread(self) -> float:
        """Half the distance from the slowest round to the fastest, as a share of the median."""
        rates = [sample.rate for sample in self.samples]
        return (max(rates) - min(rates)) / 2 / self.rate if self.rate else 0.0

    @property
    def errors(self) -> float:
        return statistics.mean(sample.errors for sample in self.samples)


@dataclass
class Comparison:
    """One path: ours first, then its peers. `targets`: for each peer the ratio ours / peer that is wanted."""

    path: str
    unit: str
    candidates: list[Candidate]
    targets: dict[str, float] = field(default_factory=dict)
    # Where less is better (milliseconds), the ratio wanted is an upper bound.
    less_is_better: bool = False

    def measure(self, *, rounds: int, say: Callable[[str], None]) -> None:
        """A first round of each that doesn't count, then `rounds` that do, taken in turns."""
        for number in range(rounds + 1):
            for candidate in self.candidates:
                sample = candidate.run()
                if number:
                    candidate.samples.append(sample)
                say(f"  {self.path}: {'warm-up' if not number else f'round {number}'}: {candidate.name}: {sample.rate:,.1f} {self.unit}")

    def ratios(self) -> dict[str, float]:
        ours = self.candidates[0].rate
        return {peer.name: ours / peer.rate for peer in self.candidates[1:] if peer.rate}

    def facts(self) -> dict[str, Any]:
        """Everything that was measured, for the results file."""
        return {
            "path": self.path,
            "unit": self.unit,
            "less_is_better": self.less_is_better,
            "targets": self.targets,
            "ratios": self.ratios(),
            "candidates": [
                {
                    "name": candidate.name,
                    "says": candidate.says,
                    "median": candidate.rate,
                    "spread": candidate.spread,
                    "errors": candidate.errors,
                    "rounds": [asdict(sample) for sample in candidate.samples],
                }
                for candidate in self.candidates
            ],
        }


def row_of(facts: dict[str, Any]) -> Sequence[str]:
    """One line of the table, from what `facts` tells."""
    ours, *peers = facts["candidates"]
    cells = [facts["path"], _figure(ours, facts["unit"])]
    ratios = []
    for peer in peers:
        ratio, target = facts["ratios"].get(peer["name"], 0.0), facts["targets"].get(peer["name"])
        target_text = ""
        if target is not None:
            is_met = ratio <= target if facts["less_is_better"] else ratio >= target
            target_text = f" ({'≤' if facts['less_is_better'] else '≥'} {target:g}: {'met' if is_met else 'missed'})"
        ratios.append(f"**{ratio:.2f}**{target_text} × {peer['name']}, {_figure(peer, facts['unit'])}")
    return [*cells, "; ".join(ratios)]


def _figure(candidate: dict[str, Any], unit: str) -> str:
    errors = f", {candidate['errors']:.1%} errors" if candidate["errors"] else ""
    return f"{candidate['median']:,.{0 if candidate['median'] >= 100 else 1}f} {unit} ±{candidate['spread']:.0%}{errors}"
