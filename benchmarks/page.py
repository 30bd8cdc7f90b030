"""Draws a page from what the benchmarks found last: `make plots` measures, then writes it."""

import html
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reportlab.graphics import renderSVG
from reportlab.graphics.charts.barcharts import HorizontalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors

from deploy.local.layout import PROJECT

FOUND = PROJECT / ".local" / "benchmarks"
"""Where the last result of each benchmark is kept."""

_WIDTH, _BAR, _MARGIN, _NAMES = 640, 26, 24, 210


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot of a benchmark's result.

    Attributes:
        says: what is to be seen, with the unit.
        bars: the name of each bar, and the result's name of its length.
    """

    benchmark: str
    title: str
    says: str
    bars: Mapping[str, str]


PLOTS: Sequence[Plot] = (
    Plot(
        "alternatives",
        "One row, in other ways",
        "Microseconds of a processor for one row of 20,000, of all processes together.",
        {
            "bare Arrow over gRPC": "arrow_us",
            "Homeroom, everything on": "homeroom_us",
            "JSON over HTTP": "json_us",
            "JSON of SQLModel objects": "objects_us",
            "a gRPC message each": "messages_us",
        },
    ),
    Plot(
        "datapath",
        "Large answers beside bare ones",
        "How many times the processor's time of sending the same rows bare, from three holders.",
        {
            "1 M rows from memory": "bulk_memory_ratio",
            "1 M rows from SQLite": "bulk_sqlite_ratio",
            "20,000 rows a holder": "bulk_sqlite_20k_ratio",
            "2,000 rows a holder": "bulk_sqlite_2k_ratio",
        },
    ),
    Plot(
        "datapath",
        "Small answers",
        "Milliseconds until ten rows of each holder have come: the median.",
        {
            "1 holder": "small_p50_ms_1",
            **{f"{count} holders": f"small_p50_ms_{count}" for count in (3, 10, 100)},
        },
    ),
    Plot(
        "datapath",
        "How processes grow",
        "Megabytes more while an app reads a million rows slowly.",
        {"gateway": "gateway_mb", "the largest node": "node_mb", "the app": "client_mb"},
    ),
    Plot(
        "policy",
        "One decision",
        "Milliseconds of both policies, met: a usual question, and one for every element.",
        {"usual": "p50_ms", "every element": "all_p50_ms"},
    ),
)


def keep(name: str, result: Mapping[str, Any], told: str) -> None:
    """Keeps the last result of a benchmark; `told` says when and beside what it was measured."""
    FOUND.mkdir(parents=True, exist_ok=True)
    written = json.dumps({"told": told, "result": result}, indent=1)
    (FOUND / f"{name}.json").write_text(written, "utf-8")


def page(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The page as HTML; what was not measured is said to be missing."""
    parts = [_part(plot, found.get(plot.benchmark)) for plot in PLOTS]
    body = "\n".join(parts)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Homeroom, measured</title>"
        f"<body style='font-family:sans-serif;max-width:44em;margin:2em auto'>"
        f"<h1>Homeroom, measured</h1>\n{body}\n</body></html>\n"
    )


def _part(plot: Plot, found: Mapping[str, Any] | None) -> str:
    title, says = html.escape(plot.title), html.escape(plot.says)
    bars = {
        name: float(found["result"][key])
        for name, key in plot.bars.items()
        if found is not None and key in found["result"]
    }
    if found is None or not bars:
        missing = f"<p>Not measured here: <code>make bench B={plot.benchmark}</code>.</p>"
        return f"<h2>{title}</h2>{missing}"
    drawn = renderSVG.drawToString(_drawn(bars))
    svg = drawn[drawn.index("<svg") :]
    return f"<h2>{title}</h2><p>{says}</p>{svg}<p><small>{html.escape(found['told'])}</small></p>"


def _drawn(bars: Mapping[str, float]) -> Drawing:
    """Bars with their numbers, the first on top."""
    height = _BAR * len(bars)
    drawing, chart = Drawing(_WIDTH, height + 2 * _MARGIN), HorizontalBarChart()
    chart.x, chart.y, chart.height = _NAMES, _MARGIN, height
    chart.width = _WIDTH - _NAMES - 3 * _MARGIN
    names, lengths = list(bars)[::-1], list(bars.values())[::-1]
    chart.data = [lengths]
    chart.categoryAxis.categoryNames = names
    chart.valueAxis.valueMin = 0
    chart.valueAxis.valueMax = max(lengths) * 1.1 or 1
    chart.bars[0].fillColor = colors.HexColor("#3b6ea8")
    chart.barLabelFormat = "%.2f"
    chart.barLabels.nudge = 20
    drawing.add(chart)
    return drawing


def _kept() -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text("utf-8")) for file in FOUND.glob("*.json")}


def main(say: Callable[[str], Any] = print) -> int:
    """Writes the page beside what was found, and says where."""
    FOUND.mkdir(parents=True, exist_ok=True)
    written = FOUND / "index.html"
    written.write_text(page(_kept()), "utf-8")
    say(str(written.relative_to(PROJECT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
