"""Learning curves of all trials, with rungs, stops and pauses."""

from __future__ import annotations

from typing import Any

from raise_hpo.history import History, Trial
from raise_hpo.report.figures import Figure, axis, colour, figure, group_of, tooltip, upright, value_axis
from raise_hpo.schedule import scheduler_of
from raise_hpo.study import StudySpec

_DRAWN_LAST = ("waiting", "stopped", "paused", "failed", "running", "finished", "default", "best")
_END = {"stopped": "x", "paused": "square-open", "failed": "diamond", "running": "circle-open"}
_NAMES = {"stopped": "stopped ✕", "paused": "paused □", "failed": "failed ◆", "default": "default configuration"}


def rungs(history: History) -> tuple[int, ...]:
    """The epochs at which the scheduler decides."""
    return scheduler_of(StudySpec.model_validate(history.study)).rungs


def learning_curves(history: History) -> Figure | None:
    """The objective against the epoch, a line a trial; None before the first report."""
    trials = [trial for trial in history.trials if trial.values]
    if not trials:
        return None
    furthest = max(trial.epoch for trial in trials)
    marks = [upright(epoch, "rung") for epoch in rungs(history) if epoch <= furthest]
    return figure(
        [trace for group in _DRAWN_LAST if (trace := _trace(group, trials, history))],
        height=460,
        xaxis=axis("epoch", dtick=1 if furthest <= 20 else None, range=[0.7, furthest + 0.3]),
        yaxis=value_axis(history.metric, (value for trial in trials for value in trial.values.values())),
        shapes=[shape for shape, _ in marks],
        annotations=[note for _, note in marks],
    )


def _trace(group: str, trials: list[Trial], history: History) -> dict[str, Any] | None:
    """All trials of a group as one line with gaps."""
    members = [trial for trial in trials if group_of(trial, history) == group]
    if not members:
        return None
    points = [point for trial in members for point in [*_points(trial, history.metric), (None, None, "", "circle", 0)]]
    x, y, text, symbols, sizes = (list(column) for column in zip(*points, strict=True))
    strong = group in ("best", "default")
    return {
        "type": "scatter", "mode": "lines+markers", "name": _name(group, members), "x": x, "y": y, "text": text,
        "hovertemplate": "%{text}<extra></extra>", "connectgaps": False, "opacity": 1.0 if strong else 0.75,
        "line": {"color": colour(group), "width": 3 if group == "best" else 2 if strong else 1.25,
                 "dash": "dash" if group == "default" else "solid"},
        "marker": {"color": colour(group), "symbol": symbols, "size": sizes,
                   "line": {"color": colour(group), "width": 1}},
    }  # fmt: skip


def _name(group: str, members: list[Trial]) -> str:
    if group != "best":
        return _NAMES.get(group, group)
    also = ", the default" if members[0].is_default else ""
    return f"best (trial {members[0].number}{also})"


def _points(trial: Trial, metric: str) -> list[tuple[int | None, float | None, str, str, int]]:
    """Epoch, value, tooltip, symbol and size of each report."""
    points: list[tuple[int | None, float | None, str, str, int]] = []
    for epoch, value in sorted(trial.values.items()):
        symbol, size = _mark(trial, epoch)
        points.append((epoch, value, tooltip(trial, metric, epoch), symbol, size))
    return points


def _mark(trial: Trial, epoch: int) -> tuple[str, int]:
    """A trial's end and its pauses stand out; a resume replaces the pause's decision and marks the same place."""
    if epoch == trial.epoch and trial.state in _END:
        return _END[trial.state], 9
    paused = epoch in trial.decisions and trial.decisions[epoch].action in ("pause", "resume")
    return ("square-open", 8) if paused else ("circle", 4)
