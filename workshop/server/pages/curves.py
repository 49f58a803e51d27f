"""Learning curves as SVG paths, drawn by the server."""

import math
from dataclasses import dataclass

WIDTH, HEIGHT = 300, 120
MOST_CURVES = 24


@dataclass(frozen=True)
class Curve:
    """One metric over the steps of a run.

    Attributes:
        name: The metric.
        points: The corners of a polyline, in a picture of `WIDTH` by `HEIGHT`.
        low: The smallest value.
        high: The largest value.
        first_step: Where the picture begins.
        last_step: Where it ends.
        last: The last value.
    """

    name: str
    points: str
    low: float
    high: float
    first_step: int
    last_step: int
    last: float

    @property
    def description(self) -> str:
        """What the picture shows, in words."""
        return (
            f"{self.name} from step {self.first_step} to {self.last_step}: between {self.low:.5g} "
            f"and {self.high:.5g}, at the end {self.last:.5g}"
        )


def curves(rows: list[dict]) -> list[Curve]:
    """Return a curve for each metric that history rows have as a finite number."""
    series: dict[str, list[tuple[int, float]]] = {}
    for line, row in enumerate(rows):
        step = row.get("_step", line)
        for name, value in row.items():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if is_number and math.isfinite(value) and not name.startswith("_"):
                series.setdefault(name, []).append((step, value))
    return [curve(name, series[name]) for name in sorted(series)[:MOST_CURVES]]


def curve(name: str, pairs: list[tuple[int, float]]) -> Curve:
    """Return the curve through (step, value) pairs."""
    steps, values = zip(*pairs, strict=True)
    low, high = min(values), max(values)
    wide, tall = (max(steps) - min(steps)) or 1, (high - low) or 1
    points = " ".join(
        f"{(step - min(steps)) / wide * WIDTH:.1f},{HEIGHT - (value - low) / tall * HEIGHT:.1f}"
        for step, value in pairs
    )
    return Curve(name, points, low, high, min(steps), max(steps), values[-1])
