"""A chart as SVG: axes, grid, lines with marks, a legend. Readable on light and on dark, scaled by whoever shows it."""

import math
from xml.sax.saxutils import escape

from benchmarks.curves.chart import Axis, Chart, Series, compact

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 96, 56
LEGEND_COLUMNS, LEGEND_LINE = 2, 18
ROOM = 300  # values that differ more have marks at powers of ten alone
# Okabe and Ito's colours, which the colour-blind tell apart; lighter ones where the page is dark.
LIGHT = ("#0072b2", "#d55e00", "#009e73", "#a3478c", "#7a5c00", "#57606a")
DARK = ("#56b4e9", "#ff8c42", "#2fd6a5", "#e39bd0", "#e6c84f", "#c9d1d9")
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.grid { stroke: #d0d7de }
.axis { stroke: #57606a }
.line { fill: none; stroke-width: 2.2 }
.limit { stroke-dasharray: 6 5; stroke-width: 1.6 }
"""


class Scale:
    """Values of one axis to pixels between `begin` and `end`."""

    def __init__(self, axis: Axis, values: list[float], begin: float, end: float) -> None:
        self.log, self.begin, self.end = axis.log, begin, end
        self.ticks = logarithmic(min(values), max(values)) if axis.log else linear(max(values))
        self.low, self.high = self._of(self.ticks[0]), self._of(self.ticks[-1])

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.begin + (self._of(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def _of(self, value: float) -> float:
        return math.log10(value) if self.log else value


def logarithmic(low: float, high: float) -> list[float]:
    """Powers of ten around the values; 2 and 5 between them when there is room.

    >>> logarithmic(0.3, 45)
    [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    >>> logarithmic(1_000, 1_000_000)
    [1000.0, 10000.0, 100000.0, 1000000.0]
    """
    steps = (1, 2, 5) if high / low < ROOM else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 2)
    every = [float(f"{step}e{power}") for power in powers for step in steps]
    begin = max(tick for tick in every if tick <= low)
    end = min(tick for tick in every if tick >= high and tick > begin)
    return [tick for tick in every if begin <= tick <= end]


def linear(high: float) -> list[float]:
    """Four to eight round numbers from 0 up to at least `high`.

    >>> linear(930)
    [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    """
    power = 10.0 ** math.floor(math.log10(high / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if high / (power * factor) <= 6)
    return [step * number for number in range(math.ceil(high / step) + 1)]


def draw(chart: Chart) -> str:
    """The whole picture."""
    points = [point for one in chart.series for point in one.points]
    x = Scale(chart.x, [point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = Scale(chart.y, [point[1] for point in points], HEIGHT - BOTTOM, TOP)
    summary = f"{chart.y.label} by {chart.x.label}: {', '.join(one.name for one in chart.series)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(chart.title)}</title><desc>{escape(summary)}</desc>",
        f"<style>{style(len(chart.series))}</style>",
        text(LEFT, 24, chart.title, "title"),
        *axes(chart, x, y),
    ]
    for number, one in enumerate(chart.series):
        parts += [*line(one, number, x, y), *legend(one, number)]
    return "\n".join([*parts, "</svg>", ""])


def style(colours: int) -> str:
    """One class a line, and other colours on dark pages."""
    light, dark = (
        "".join(f".s{n} {{ stroke: {c[n % len(c)]} }} .m{n} {{ fill: {c[n % len(c)]} }}\n" for n in range(colours))
        for c in (LIGHT, DARK)
    )
    night = "text { fill: #e6edf3 } .grid { stroke: #3d444d } .axis { stroke: #9198a1 }\n"
    return f"{STYLE}{light}@media (prefers-color-scheme: dark) {{\n{night}{dark}}}\n"


def axes(chart: Chart, x: Scale, y: Scale) -> list[str]:
    """Grid, ticks with numbers, and the axes' names."""
    parts = []
    for tick in x.ticks:
        parts.append(stroke(x(tick), TOP, x(tick), HEIGHT - BOTTOM, "grid"))
        parts.append(text(x(tick), HEIGHT - BOTTOM + 18, compact(tick), anchor="middle"))
    for tick in y.ticks:
        parts.append(stroke(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid"))
        parts.append(text(LEFT - 8, y(tick) + 4, compact(tick), anchor="end"))
    parts.append(stroke(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"))
    parts.append(stroke(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "axis"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, chart.x.label, anchor="middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'<text x="18" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 18 {middle:.1f})">'
    return [*parts, f"{turned}{escape(chart.y.label)}</text>"]


def line(one: Series, number: int, x: Scale, y: Scale) -> list[str]:
    """The points joined, with a mark on each that was measured."""
    places = [(x(a), y(b), b) for a, b in one.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b, _ in places)
    parts = [f'<polyline class="line s{number}{" limit" * one.limit}" points="{path}"/>']
    if not one.limit:
        told = [f"<title>{escape(one.name)}: {value:g}</title>" for *_, value in places]
        parts += [
            f'<circle class="m{number}" cx="{a:.1f}" cy="{b:.1f}" r="4">{title}</circle>'
            for (a, b, _), title in zip(places, told, strict=True)
        ]
    return parts


def legend(one: Series, number: int) -> list[str]:
    """A short piece of the line, and its name."""
    left = LEFT + (number % LEGEND_COLUMNS) * (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS
    top = 46 + number // LEGEND_COLUMNS * LEGEND_LINE
    kind = f"line s{number}{' limit' * one.limit}"
    return [stroke(left, top - 4, left + 26, top - 4, kind), text(left + 34, top, one.name)]


def stroke(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """Words at a place."""
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
