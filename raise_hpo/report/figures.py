"""What the report's charts share. A chart is plain data that plotly.js draws; colours are names of the page's own.

A colour like ``var(--best)`` is looked up in the page's style sheet when the chart is drawn, so that the charts follow
the reader's light or dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

from raise_hpo.history import History, Trial
from raise_hpo.report.words import number

Figure = dict[str, Any]

_LOG_FROM_RATIO = 12.0
_UNITS = ((172_800.0, "days", 86_400.0), (7_200.0, "hours", 3_600.0), (120.0, "minutes", 60.0))

GROUPS = ("best", "default", "finished", "running", "waiting", "paused", "stopped", "failed")
"""How trials are told apart: the best, the default configuration, and the others by state."""


def colour(group: str) -> str:
    """The colour of a group of trials."""
    return f"var(--{group})"


def group_of(trial: Trial, history: History) -> str:
    """The group that a trial is drawn in."""
    if trial is history.best():
        return "best"
    return "default" if trial.is_default else trial.state


def figure(data: list[dict[str, Any]], height: int, **layout: Any) -> Figure:
    """A chart of so many pixels' height."""
    return {"data": data, "layout": {"height": height, **layout}}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its title."""
    return {"title": {"text": title, "standoff": 8}, **more}


def value_axis(title: str, values: Iterable[float]) -> dict[str, Any]:
    """An axis for values of the objective: logarithmic if they are positive and more than a decade apart."""
    found = list(values)
    wide = bool(found) and min(found) > 0 and max(found) > _LOG_FROM_RATIO * min(found)
    return axis(f"{title} (log scale)", type="log") if wide else axis(title)


def time_unit(seconds: float) -> tuple[str, float]:
    """The unit in which a span reads well, and its length in seconds."""
    return next(((name, length) for limit, name, length in _UNITS if seconds >= limit), ("seconds", 1.0))


def tooltip(trial: Trial, metric: str, epoch: int) -> str:
    """What the pointer shows at a trial's report."""
    lines = [f"<b>trial {trial.number}</b>, epoch {epoch}", f"{escape(metric)} {number(trial.values[epoch], 5)}"]
    if epoch in trial.decisions:
        decision = trial.decisions[epoch]
        lines.append(escape(f"{decision.action}: {decision.why}"))
    elif epoch == trial.epoch:
        lines.append(trial.state)
    return "<br>".join(lines)


def upright(x: float, label: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """A dotted line over the whole height at x, and its label at the top."""
    line = {"color": "var(--muted)", "width": 1, "dash": "dot"}
    shape = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "layer": "below", "line": line}
    note = {
        "x": x, "y": 1, "yref": "paper", "text": escape(label), "showarrow": False, "yanchor": "bottom",
        "font": {"size": 11, "color": "var(--muted)"},
    }  # fmt: skip
    return shape, note
