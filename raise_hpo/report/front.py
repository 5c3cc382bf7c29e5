"""The Pareto front of a study with several objectives: one objective against another, and the front's trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from raise_hpo.history import History, Trial
from raise_hpo.report.figures import Figure, colour, figure, value_axis
from raise_hpo.report.words import counted, number, with_unit

_MARGIN = 0.3
"""Room on either side of the trials that a picture is of, as a share of their range."""

_SYMBOLS = {"front": "star", "default": "diamond"}


def front_standing(members: int, history: History) -> str:
    """With several objectives, the sentence about the Pareto front under the headline; empty with none on it."""
    if not members:
        return ""
    further = " and ".join(metric for metric, _ in history.objectives[1:])
    return f" With {further} as further objective, {counted(members, 'trial is', 'trials are')} on the Pareto front."


def front_words(members: int) -> str:
    """What the Pareto front is."""
    one = members == 1
    return (
        f"{members} of the trials that went furthest {'is' if one else 'are'} such that no other is as good in every "
        f"objective and better in one{'' if one else ': from each to another, a gain in one objective costs another'}. "
        "Values of different epochs are not compared."
    )


def front_charts(history: History) -> dict[str, Figure]:
    """The primary objective against each further one, by the id of the chart's place; none with one objective."""
    further = [metric for metric, _ in history.objectives[1:]]
    return {
        f"front-{place}": drawn
        for place, metric in enumerate(further, 1)
        if (drawn := _chart(history, metric, place)) is not None
    }


def _chart(history: History, metric: str, place: int) -> Figure | None:
    scored = [trial for trial in history.trials if trial.values and trial.state != "failed"]
    if not scored:
        return None
    front = history.front()
    furthest = front[0].epoch
    as_far = [trial for trial in scored if trial.epoch == furthest]
    groups: dict[str, list[Trial]] = {"stopped": [], "finished": [], "default": [], "front": []}
    for trial in scored:
        groups[_group(trial, furthest, front)].append(trial)
    points = [_points(group, members, history, metric) for group, members in groups.items() if members]
    line = [_staircase(front, history, metric, place)] if len(history.objectives) == 2 else []
    return figure(
        [*line, *points],
        height=380,
        xaxis=_axis(metric, as_far, history),
        yaxis=_axis(history.metric, as_far, history),
    )


def _axis(metric: str, trials: Sequence[Trial], history: History) -> dict[str, Any]:
    """An axis that shows these trials well; others may lie outside."""
    values = [history.objective_values(trial)[metric] for trial in trials]
    found = value_axis(with_unit(metric), values)
    ends = [math.log10(end) if found.get("type") == "log" else end for end in (min(values), max(values))]
    margin = _MARGIN * (ends[1] - ends[0]) or 0.1 * abs(ends[0]) or 1.0
    low = ends[0] - margin
    # No room is given to values below zero where there can be none, as of sizes and times.
    low = max(low, -0.1 * margin) if found.get("type") != "log" and ends[0] >= 0 else low
    return {**found, "range": [low, ends[1] + margin]}


def _group(trial: Trial, furthest: int, front: list[Trial]) -> str:
    if any(trial is member for member in front):
        return "front"
    if trial.epoch < furthest:
        return "stopped"
    return "default" if trial.is_default else "finished"


def _points(group: str, members: list[Trial], history: History, metric: str) -> dict[str, Any]:
    name = {
        "front": "Pareto front", "default": "default configuration", "finished": "trained as far",
        "stopped": "not trained as far, at their last epoch",
    }[group]  # fmt: skip
    return {
        "type": "scatter", "mode": "markers", "name": name,
        "x": [history.objective_values(trial)[metric] for trial in members],
        "y": [trial.values[trial.epoch] for trial in members],
        "text": [_tooltip(trial, history) for trial in members], "hovertemplate": "%{text}<extra></extra>",
        "opacity": 0.35 if group == "stopped" else 0.9,
        "marker": {"color": colour("best" if group == "front" else group), "symbol": _SYMBOLS.get(group, "circle"),
                   "size": {"front": 13, "default": 11, "finished": 8, "stopped": 6}[group]},
    }  # fmt: skip


def _staircase(front: list[Trial], history: History, metric: str, place: int) -> dict[str, Any]:
    """The border of what the front dominates."""
    ordered = sorted((history.objective_values(trial)[metric], trial.values[trial.epoch]) for trial in front)
    return {
        "type": "scatter", "mode": "lines", "x": [x for x, _ in ordered], "y": [y for _, y in ordered],
        "hoverinfo": "skip", "showlegend": False,
        "line": {"color": colour("best"), "width": 2, "shape": "hv" if history.objectives[place][1] == "min" else "vh"},
    }  # fmt: skip


def _tooltip(trial: Trial, history: History) -> str:
    values = [f"{escape(name)} {number(value, 5)}" for name, value in history.objective_values(trial).items()]
    config = [f"{escape(key)} {escape(number(value))}" for key, value in trial.config.items()]
    default = ", default configuration" if trial.is_default else ""
    return "<br>".join([f"<b>trial {trial.number}</b>, epoch {trial.epoch}{default}", *values, *config])
