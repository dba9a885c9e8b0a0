"""The data of a chart by day and of a ranking: drawn as bars, with the same figures in a table."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from kernel.ledger.admin.formatting import money

COLOUR = "#0f766e"


def chart(title: str, unit: str, labels: Sequence[str], values: Sequence[Decimal], *, kind: str, clock: str) -> dict[str, Any]:
    """The context of ledger/chart.html. `kind`: bar, or leaders. `clock`: by which time, in words. The picture may round amounts."""
    # The axis of values has figures.
    dataset = {"label": unit, "data": [float(value) for value in values], "backgroundColor": COLOUR, "displayYAxis": True}
    most = max(values, default=Decimal(0))
    # Bars without a script: widths in whole per cent.
    bars = [
        {"label": label, "amount": money(value, unit), "width": int(value * 100 / most) if most else 0}
        for label, value in zip(labels, values, strict=True)
    ]
    data = json.dumps({"labels": list(labels), "datasets": [dataset]})
    return {"title": title, "unit": unit, "kind": kind, "data": data, "bars": bars, "clock": clock, "is_empty": not unit}
