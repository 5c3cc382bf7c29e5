"""How the best value came down, against time and against epochs trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raise_hpo.history import History
from raise_hpo.report.facts import Milestone, WorkClock, compare, milestones
from raise_hpo.report.figures import Figure, axis, colour, figure, group_of, time_unit, tooltip, upright, value_axis


def progress_by_time(history: History) -> Figure | None:
    """The best value against the time at work; None before the first report."""
    clock = WorkClock(history)
    name, unit = time_unit(history.seconds)
    return _progress(
        history, lambda at: clock(at.time) / unit, f"time at work ({name})", [at / unit for at in clock.resumes()]
    )


def progress_by_epochs(history: History) -> Figure | None:
    """The best value against the epochs of all trials together; None before the first report."""
    return _progress(history, lambda at: at.epochs, "epochs trained, all trials together", [])


def _progress(history: History, place: Callable[[Milestone], float], title: str, resumes: list[float]) -> Figure | None:
    steps = list(milestones(history))
    if not steps:
        return None
    last = [at for at in steps if at.epoch == at.trial.epoch]
    compared = compare(history)
    traces = [_ends(group, last, history, place) for group in dict.fromkeys(group_of(at.trial, history) for at in last)]
    marks = [upright(at, "resumed") for at in resumes]
    shown = [at.value for at in last] + [at.best for at in steps if at.best is not None]
    return figure(
        [*_default_line(place(steps[-1]), compared.default_value, compared.epoch), *traces, _best_so_far(steps, place)],
        height=340,
        xaxis=axis(title, rangemode="tozero"),
        yaxis=value_axis(history.metric, shown),
        shapes=[shape for shape, _ in marks],
        annotations=[note for _, note in marks],
        showlegend=False,
    )


def _ends(group: str, last: list[Milestone], history: History, place: Callable[[Milestone], float]) -> dict[str, Any]:
    members = [at for at in last if group_of(at.trial, history) == group]
    return {
        "type": "scatter", "mode": "markers", "name": group, "x": [place(at) for at in members],
        "y": [at.value for at in members], "text": [tooltip(at.trial, history.metric, at.epoch) for at in members],
        "hovertemplate": "%{text}<extra></extra>", "opacity": 0.85,
        "marker": {"color": colour(group), "size": 11 if group == "best" else 7,
                   "symbol": "star" if group == "best" else "circle"},
    }  # fmt: skip


def _best_so_far(steps: list[Milestone], place: Callable[[Milestone], float]) -> dict[str, Any]:
    known = [at for at in steps if at.best is not None]
    return {
        "type": "scatter", "mode": "lines", "name": "best so far", "x": [place(at) for at in known],
        "y": [at.best for at in known], "text": [f"best so far, at epoch {at.best_epoch}" for at in known],
        "hovertemplate": "%{text}: %{y:.5g}<extra></extra>",
        "line": {"color": colour("best"), "width": 2.5, "shape": "hv"},
    }  # fmt: skip


def _default_line(until: float, value: float | None, epoch: int | None) -> list[dict[str, Any]]:
    """The default configuration's value as a line over the whole width."""
    if value is None:
        return []
    return [
        {
            "type": "scatter", "mode": "lines+text", "x": [0, until], "y": [value, value], "hoverinfo": "skip",
            "text": ["", f"default at epoch {epoch}"], "textposition": "top left", "cliponaxis": False,
            "textfont": {"size": 11, "color": colour("default")},
            "line": {"color": colour("default"), "width": 1.5, "dash": "dash"},
        }
    ]  # fmt: skip
