"""Learning variability as a table for the terminal, ``repeat.json`` and the page ``repeat.html``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.repeat import Repeated, repetitions, verdict
from raise_hpo.report.figures import Figure, axis, figure, value_axis
from raise_hpo.report.page import fill_in
from raise_hpo.report.words import counted, number, percent, short_config

TEMPLATE = "repeat.html"
HEADINGS = ("configuration", "n", "mean", "spread", "behind the winner", "P(best)")
_COLOURS = ("best", "finished", "running", "paused", "waiting", "stopped", "failed")


def repeat_words(history: History) -> RenderableType:
    """What ``repeat`` says: a row a configuration, and what may be concluded."""
    found = repetitions(history)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for place, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    for row in cells(found):
        table.add_row(*row)
    title = f"{history.metric} after {counted(history.max_epochs, 'epoch')}"
    configurations = [Text(f"{group.label}: {short_config(group.config)}", style="dim") for group in found]
    return Group(Text(title), table, Text(), *configurations, Text(), Text(_sentence(found)))


def _sentence(found: Sequence[Repeated]) -> str:
    words = verdict(found)
    return f"{words[0].upper()}{words[1:]}."


def cells(found: Sequence[Repeated]) -> list[list[str]]:
    """The table's rows, as text."""
    return [
        [
            group.label,
            f"{len(group.values)}" + (f", {group.failed} failed" if group.failed else ""),
            number(group.mean),
            f"± {number(group.spread, 2)}",
            _distance(group),
            percent(group.best),
        ]
        for group in found
    ]


def _distance(group: Repeated) -> str:
    if group.distance is None:
        return ""
    difference, low, high = (number(value, 2) for value in group.distance)
    return f"{difference} [{low}, {high}]" + ("" if group.behind else "  ?")


def save_repeat(folder: StudyFolder, history: History) -> Path:
    """Write ``repeat.json`` and ``repeat.html`` into a repeating study's folder; the page's path.

    Raises:
        UserError: The study repeats nothing, or no training came to its end.
    """
    found = repetitions(history)
    (folder.path / "repeat.json").write_text(json.dumps(document(history, found), indent=1) + "\n")
    page = folder.path / TEMPLATE
    page.write_text(render(history, found), encoding="utf-8")
    return page


def document(history: History, found: Sequence[Repeated]) -> dict[str, Any]:
    """All figures as plain data."""
    rows = [
        {
            "label": group.label, "config": group.config, "values": group.values, "failed": group.failed,
            "mean": group.mean, "spread": group.spread, "chance_to_be_best": group.best,
            "behind_the_winner": group.distance, "distinguishable": group.behind,
        }
        for group in found
    ]  # fmt: skip
    what = {"study": history.name, "metric": history.metric, "mode": history.mode, "epochs": history.max_epochs}
    return {**what, "configurations": rows, "verdict": verdict(found)}


def render(history: History, found: Sequence[Repeated]) -> str:
    """The page as HTML."""
    keys = list(dict.fromkeys(key for group in found for key in group.config))
    headline, _, advice = _sentence(found).rstrip(".").partition("; ")
    settings = [[key, *(number(group.config.get(key)) for group in found)] for key in keys]
    return fill_in(
        TEMPLATE, name=history.name, metric=history.metric, epochs=history.max_epochs, headline=headline, advice=advice,
        headings=HEADINGS, rows=cells(found), labels=[group.label for group in found], settings=settings,
        figures={"curves": _curves(history, found), "values": _values(history, found)},
    )  # fmt: skip


def _colour(place: int, group: Repeated) -> str:
    name = "default" if group.label == "default" else _COLOURS[place % len(_COLOURS)]
    return f"var(--{name})"


def _curves(history: History, found: Sequence[Repeated]) -> Figure:
    """Mean learning curves with their standard deviations."""
    data: list[dict[str, Any]] = []
    for place, group in enumerate(found):
        epochs = sorted(set.intersection(*(set(curve) for curve in group.curves)))
        values = [[curve[epoch] for curve in group.curves] for epoch in epochs]
        spread = [stdev(each) if len(each) > 1 else 0.0 for each in values]
        colour = _colour(place, group)
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": group.label, "x": epochs,
            "y": [fmean(each) for each in values], "line": {"color": colour, "width": 2}, "marker": {"color": colour},
            "error_y": {"type": "data", "array": spread, "thickness": 1, "color": colour},
        })  # fmt: skip
    everything = [value for group in found for curve in group.curves for value in curve.values()]
    return figure(data, 420, xaxis=axis("epoch"), yaxis=value_axis(history.metric, everything))


def _values(history: History, found: Sequence[Repeated]) -> Figure:
    """Each training's last value."""
    data = [
        {
            "type": "box", "name": group.label, "y": list(group.values), "boxpoints": "all", "jitter": 0.4,
            "pointpos": 0, "marker": {"color": _colour(place, group)}, "showlegend": False,
        }
        for place, group in enumerate(found)
    ]  # fmt: skip
    everything = [value for group in found for value in group.values]
    return figure(data, 380, xaxis=axis(""), yaxis=value_axis(history.metric, everything), showlegend=False)
