"""Writes ``report.html``: one file with all charts and plotly.js inside, that needs no network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.history import Config, History, Trial
from raise_hpo.report.curves import learning_curves, rungs
from raise_hpo.report.drawn import drawn_of
from raise_hpo.report.facts import ORDER, Comparison, compare, cost, failures, front, ranking, turnaround
from raise_hpo.report.figures import Figure, group_of
from raise_hpo.report.front import front_charts, front_standing, front_words
from raise_hpo.report.importance import Importance, importance, importance_chart
from raise_hpo.report.page import fill_in
from raise_hpo.report.parallel import parallel_coordinates
from raise_hpo.report.plain import algorithm
from raise_hpo.report.progress import progress_by_epochs, progress_by_time
from raise_hpo.report.timeline import timeline
from raise_hpo.report.words import counted, duration, energy, gain_words, number, percent
from raise_hpo.space import flatten
from raise_hpo.trial.failures import KINDS
from raise_hpo.yaml_source import dump_yaml

TEMPLATE = "report.html"


def write_report(folder: StudyFolder) -> Path:
    """Write a study's report from its journal, as it stands now, replacing an older one in one step.

    Raises:
        JournalError: The folder holds no sound journal.
        UserError: The journal holds no event yet.
    """
    history = folder.history()
    if not history.study:
        raise UserError(f"study {folder.name} has not begun: there is no event in {folder.journal}")
    draft = folder.report.with_suffix(".html.new")
    draft.write_text(render(history, folder), encoding="utf-8")
    os.replace(draft, folder.report)
    return folder.report


def render(history: History, folder: StudyFolder) -> str:
    """The report as HTML."""
    return fill_in(TEMPLATE, **_content(history, folder))


def _content(history: History, folder: StudyFolder) -> dict[str, Any]:
    compared, found, members = compare(history), importance(history), front(history)
    drawn = drawn_of(folder, history)
    figures = _figures(history, found) | drawn.figures
    return {
        "name": history.name,
        "headline": _headline(history, compared),
        "standing": _standing(history, compared) + front_standing(len(members), history),
        "setting": _setting(history),
        "tiles": _tiles(history),
        "metric": history.metric,
        "direction": "smaller" if history.mode == "min" else "larger",
        "best": compared.best,
        "fragment": _fragment(history, compared.best),
        "settings": _settings(compared),
        "default": compared.default,
        "objectives": history.objectives,
        "metrics": [metric for metric, _ in history.objectives] or [history.metric],
        "front": members,
        "front_words": front_words(len(members)),
        "figures": figures,
        "drawn": drawn,
        "rungs": ", ".join(map(str, rungs(history))),
        "importance": found,
        "columns": list(dict.fromkeys(key for trial in history.trials for key in trial.config)),
        "rows": [_row(trial, history) for trial in _in_order(history)],
        "max_epochs": history.max_epochs,
        "failures": [_failure(kind, trials, folder) for kind, trials in failures(history)],
        "cost": cost(history),
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "folder": str(folder.path.resolve()),
    }


def _figures(history: History, found: Importance) -> dict[str, Figure]:
    """The charts that there is something to show in, by the id of their place."""
    makers: dict[str, Callable[[History], Figure | None]] = {
        "curves": learning_curves,
        "by-time": progress_by_time,
        "by-epochs": progress_by_epochs,
        "importance": lambda _: importance_chart(found),
        "parallel": parallel_coordinates,
        "timeline": timeline,
    }
    drawn = {name: chart for name, make in makers.items() if (chart := make(history)) is not None}
    return {**drawn, **front_charts(history)}


def _headline(history: History, compared: Comparison) -> str:
    if compared.best is None:
        return "No trial has reported a value"
    if compared.gain is None or compared.best is compared.default:
        told = f"{history.metric} {number(compared.value)}"
        return f"{told}, by the default configuration" if compared.best is compared.default else f"Best {told}"
    words = gain_words(compared.gain)
    relation = "as good as" if words == "equal" else f"{words} than"
    return f"{relation[0].upper()}{relation[1:]} the default configuration"


def _standing(history: History, compared: Comparison) -> str:
    """The sentence under the headline: the values that it rests on."""
    if compared.best is None:
        return "There is nothing to compare yet; what happened to the trials is told below."
    told = (
        f"{history.metric} {number(compared.value)} at epoch {compared.epoch}, reached by trial {compared.best.number}"
    )
    if compared.default_value is not None and compared.best is not compared.default:
        return f"{told}; the default configuration has {number(compared.default_value)} at the same epoch."
    if compared.default is None:
        return f"{told}; the study did not run the default configuration."
    if compared.default_value is None:
        return f"{told}; the default configuration has not reached that epoch."
    return f"{told}, the default configuration; no other trial that went as far did better."


def _setting(history: History) -> str:
    study = history.study
    began = time.strftime("%d %B %Y %H:%M", time.localtime(history.sessions[0][0]))
    return (
        f"{study['trainable']} · {algorithm(study['searcher'])} searcher · {algorithm(study['scheduler'])} scheduler · "
        f"seed {study['seed']} · begun {began} · {history.state}{f': {history.why}' if history.why else ''}"
    )


def _tiles(history: History) -> list[tuple[str, str, str]]:
    """Figure, what it is, and a remark."""
    counts, spent, gap = history.counts(), cost(history), turnaround(history)
    states = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    tiles = [
        (str(counts["total"]), "trial" if counts["total"] == 1 else "trials", states),
        (str(history.epochs), "epochs", f"of {_without_stopping(history)} without early stopping"),
        (duration(history.seconds), "at work", f"{counted(history.slots, 'trial')} at a time"),
        (percent(history.busy_fraction()), "busy", f"of the slots' time; {spent.worker_hours:.2g} worker hours"),
    ]
    if gap is not None:
        tiles.append((duration(gap), "turnaround", "median, from a stay's end to the next one's first batch"))
    if spent.kwh is not None:
        tiles.append((energy(spent.kwh), "energy", f"metered in {percent(spent.metered)} of the epochs"))
    return tiles


def _without_stopping(history: History) -> int:
    """The epochs of all trials if each had trained to its end; heirs begin where their parents were."""
    return sum(history.max_epochs - (trial.parent[1] if trial.parent else 0) for trial in history.trials)


def _fragment(history: History, best: Trial | None) -> str:
    """The best configuration as the ``config`` section of a study file, the study's own fixed keys included."""
    if best is None:
        return ""
    return dump_yaml({"config": {**flatten(history.study.get("config", {})), **best.config}})


def _settings(compared: Comparison) -> list[tuple[str, str, str, bool]]:
    """Key, best value, default value, and whether they differ."""
    best: Config = compared.best.config if compared.best else {}
    default: Config = compared.default.config if compared.default else {}
    keys = dict.fromkeys((*best, *default))
    return [(key, number(best.get(key)), number(default.get(key)), best.get(key) != default.get(key)) for key in keys]


def _in_order(history: History) -> list[Trial]:
    """The best first, those without a value last."""
    ranked = ranking(history)
    return ranked + [trial for trial in history.trials if trial not in ranked]


def _row(trial: Trial, history: History) -> dict[str, Any]:
    return {
        "number": trial.number,
        "group": group_of(trial, history),
        "state": trial.state,
        "source": trial.source,
        "heir": _heir(trial),
        "epoch": trial.epoch,
        "values": _objective_values(trial, history),
        "config": trial.config,
        "why": trial.why if trial.state != "finished" else "all epochs are done",
    }


def _heir(trial: Trial) -> str:
    if trial.parent is None:
        return ""
    mate = f", crossed with {trial.mate[0]} after epoch {trial.mate[1]}" if trial.mate else ""
    return f", heir of {trial.parent[0]} after epoch {trial.parent[1]}{mate}"


def _objective_values(trial: Trial, history: History) -> list[float | None]:
    """A trial's last value in each objective; None before its first report."""
    return list(history.objective_values(trial).values()) if trial.values else [None] * len(history.objectives)


def _failure(kind: str, trials: list[Trial], folder: StudyFolder) -> dict[str, Any]:
    causes: dict[str, list[int]] = {}
    for trial in trials:
        causes.setdefault(trial.failure[1] if trial.failure else "", []).append(trial.number)
    told = [
        (cause, ", ".join(map(str, numbers)), str(folder.log_file(numbers[0]).relative_to(folder.path)))
        for cause, numbers in causes.items()
    ]
    return {"kind": kind, "meaning": KINDS.get(kind, ""), "count": counted(len(trials), "trial"), "causes": told}
