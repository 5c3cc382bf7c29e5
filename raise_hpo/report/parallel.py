"""Parallel coordinates: every trial's configuration as a line through one axis a hyperparameter.

Drawn with ordinary lines, not with plotly's own trace for it: that one needs WebGL, which remote desktops lack, and has
no place for a hyperparameter that is inactive in a configuration.
"""

from __future__ import annotations

from typing import Any

from raise_hpo.history import History, Trial
from raise_hpo.report.facts import ranking
from raise_hpo.report.figures import Figure, colour, figure, group_of
from raise_hpo.report.words import number, short_config
from raise_hpo.space import Choices, Dimension, SearchSpace
from raise_hpo.study import StudySpec

_MOST_LABELS = 6
_FAINTEST, _STRONGEST = 0.15, 0.9


def parallel_coordinates(history: History) -> Figure | None:
    """A line a trial, the better the stronger; None with fewer than two trials with a value."""
    space = StudySpec.model_validate(history.study).space
    trials = [trial for trial in ranking(history) if space.contains(trial.config)]
    if len(trials) < 2:
        return None
    names = list(space.dimensions)
    return figure(
        [_line(trial, place / (len(trials) - 1), space, history) for place, trial in reversed(list(enumerate(trials)))],
        height=420,
        xaxis={
            "tickvals": list(range(len(names))), "ticktext": names, "showgrid": True, "zeroline": False,
            "range": [-0.3, len(names) - 0.4], "fixedrange": True,
        },
        yaxis={"visible": False, "range": [-0.06, 1.06], "fixedrange": True},
        annotations=[note for x, name in enumerate(names) for note in _labels(x, space.dimensions[name])],
        showlegend=False,
    )  # fmt: skip


def _line(trial: Trial, place: float, space: SearchSpace, history: History) -> dict[str, Any]:
    """One trial; `place` is 0 for the best and 1 for the last."""
    group = group_of(trial, history)
    strong = group in ("best", "default")
    heights = [
        dimension.to_unit(trial.config[name]) if name in trial.config else None
        for name, dimension in space.dimensions.items()
    ]
    told = f"<b>trial {trial.number}</b> ({group}), {history.metric} {number(trial.value)} at epoch {trial.epoch}"
    values = "<br>".join(short_config({name: value}, 4) for name, value in trial.config.items())
    return {
        "type": "scatter", "mode": "lines+markers", "x": list(range(len(heights))), "y": heights,
        "hovertemplate": f"{told}<br>{values}<extra></extra>", "connectgaps": True,
        "opacity": 1.0 if strong else _STRONGEST - place * (_STRONGEST - _FAINTEST),
        "line": {"color": colour(group if strong else "finished"), "width": 3 if strong else 1.5,
                 "dash": "dash" if group == "default" else "solid"},
        "marker": {"size": 6 if strong else 4},
    }  # fmt: skip


def _labels(x: int, dimension: Dimension) -> list[dict[str, Any]]:
    """The values along one axis, beside it."""
    if isinstance(dimension, Choices) or (dimension.size or _MOST_LABELS + 1) <= _MOST_LABELS:
        values = dimension.grid(1)
    else:
        values = [dimension.from_unit(u) for u in (0.0, 0.5, 0.999999)]
    if len(values) > 2 * _MOST_LABELS:
        values = values[:: len(values) // _MOST_LABELS]
    return [
        {
            "x": x, "y": dimension.to_unit(value), "text": number(value, 2), "showarrow": False, "xanchor": "left",
            "xshift": 5, "font": {"size": 10.5, "color": "var(--muted)"}, "bgcolor": "var(--veil)", "borderpad": 1,
        }
        for value in values
    ]  # fmt: skip
