"""How a study stands, as one document for scripts and as closing words for people."""

from __future__ import annotations

from itertools import pairwise
from shlex import quote
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.report.facts import ORDER, Comparison, ancestry, compare, front
from raise_hpo.report.words import counted, duration, gain_words, number, percent
from raise_hpo.track import missing_events, tracking_uri
from raise_hpo.yaml_source import dump_yaml


def summary(folder: StudyFolder) -> dict[str, Any]:
    """How a study stands, from its journal: plain data whose keys are kept from now on.

    ``default.value`` is the default configuration's value at the epoch of ``best.value``, and None if it has not
    reported that epoch; ``gain`` is what the best gained over it, as a share of it, positive is better. Where the best
    trial is an heir, ``best.schedule`` tells its forebears' configurations and from which epoch each was trained. With
    several objectives ``metric`` and ``best`` are of the primary one, and there are ``objectives`` and ``front`` too.

    Raises:
        JournalError: The folder holds no sound journal.
    """
    history = folder.history()
    at_work = history.state != "running" or folder.driver() is not None
    where = places(folder, history.study.get("tracking", {}).get("mlflow"), history.last_seq)
    found = standing(history, folder.name, at_work, where)
    if not folder.begun and folder.jobs.is_dir():
        found |= {"state": "submitted", "why": "no job has begun it yet"}
    return found


def places(folder: StudyFolder, mlflow: str | None, last_seq: int) -> dict[str, Any]:
    """Where a study's files are, and how far MLflow is behind a journal that ends with `last_seq`.

    Args:
        folder: The study's folder.
        mlflow: The tracking URI that the study chose, if any.
        last_seq: The sequence number of the journal's last event.
    """
    return {
        "folder": str(folder.path.resolve()),
        "journal": str(folder.journal.resolve()),
        "report": str(folder.report.resolve()) if folder.report.exists() else None,
        "mlflow": tracking_uri(folder, mlflow),
        "mlflow_missing": missing_events(folder, last_seq),
    }


def standing(history: History, name: str, at_work: bool, where: dict[str, Any]) -> dict[str, Any]:
    """The summary of a history, wherever its journal lies.

    Args:
        history: The study's history.
        name: Its name, if the history does not tell.
        at_work: Whether a driver is at work.
        where: Its `places`.
    """
    compared = compare(history)
    state, why = _state(history, at_work)
    return {
        "study": history.name or name,
        "state": state,
        "why": why,
        "folder": where["folder"],
        "seed": history.study.get("seed"),
        "metric": history.metric,
        "mode": history.mode,
        "trials": history.counts(),
        "best": _best(history, compared),
        "default": _default(compared),
        "gain": compared.gain,
        **_front(history),
        "epochs": history.epochs,
        "seconds": round(history.seconds, 3),
        "busy_fraction": round(history.busy_fraction(), 4),
        **{key: where[key] for key in ("journal", "report", "mlflow", "mlflow_missing")},
    }


def _state(history: History, at_work: bool) -> tuple[str, str]:
    """What the journal says, unless it says that a driver is at work and there is none."""
    if history.state == "running" and not at_work:
        return "interrupted", "the driver ended without a word"
    return history.state, history.why


def _front(history: History) -> dict[str, Any]:
    """With several objectives, what they are and the Pareto front."""
    if len(history.objectives) < 2:
        return {}
    objectives = [{"metric": metric, "mode": mode} for metric, mode in history.objectives]
    return {"objectives": objectives, "front": front(history)}


def _best(history: History, compared: Comparison) -> dict[str, Any] | None:
    if compared.best is None:
        return None
    best = compared.best
    found = {"trial": best.number, "value": compared.value, "epoch": compared.epoch, "config": dict(best.config)}
    if best.parent is None:
        return found
    schedule = [
        {"from_epoch": epoch, "trial": trial.number, "config": dict(trial.config)}
        for epoch, trial in ancestry(history, best)
    ]
    return {**found, "schedule": schedule}


def _default(compared: Comparison) -> dict[str, Any] | None:
    if compared.default is None:
        return None
    return {"trial": compared.default.number, "value": compared.default_value, "epoch": compared.epoch}


def closing_words(summary: dict[str, Any]) -> RenderableType:
    """What ``tune`` says at its end: the best configuration, what it gained, and where to go from here.

    Args:
        summary: A study's `summary`.
    """
    why = f": {summary['why']}" if summary["why"] else ""
    rows = [("trials", _trials(summary)), ("best", _best_words(summary))]
    if summary["best"] is not None:
        rows.append(("config", Text(dump_yaml(summary["best"]["config"]).strip(), style="bold")))
    if summary.get("front"):
        rows.append(("front", Text("\n".join(map(_on_the_front, summary["front"])))))
    rows += [("report", Text(_report(summary))), ("MLflow", Text(_mlflow(summary)))]
    if summary.get("cluster"):
        from raise_hpo.cluster.queue import queue_words

        rows += [(label, Text(words)) for label, words in queue_words(summary["cluster"])]
    elif summary["state"] not in ("finished", "running"):
        rows.append(("go on", Text(f"raise-hpo resume {summary['study']}")))
    return Group(Text.assemble((summary["study"], "bold"), f" {summary['state']}{why}"), _indented(rows))


def _indented(rows: list[tuple[str, Text]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=8, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words in rows:
        grid.add_row(Text(f"  {label}", style="dim"), words)
    return grid


def _trials(summary: dict[str, Any]) -> Text:
    counts = summary["trials"]
    states = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    spent = f"{counted(summary['epochs'], 'epoch')} in {duration(summary['seconds'])}"
    return Text(
        f"{counts['total']}{f' ({states})' if states else ''}; {spent}, slots {percent(summary['busy_fraction'])} busy"
    )


def _best_words(summary: dict[str, Any]) -> Text:
    best, default, metric = summary["best"], summary["default"], summary["metric"]
    if best is None:
        return Text(f"no trial has reported {metric or 'a value'}")
    heir = f", heir of {' of '.join(_forebears(best))}" if "schedule" in best else ""
    words = Text.assemble(
        f"{metric} ", (number(best["value"]), "bold green"), f" at epoch {best['epoch']} (trial {best['trial']}{heir})"
    )
    if default is None:
        return words
    if default["value"] is None:
        return words.append(f"; the default configuration has not reached epoch {best['epoch']}")
    if default["trial"] == best["trial"]:
        return words.append(", which is the default configuration itself")
    told = gain_words(summary["gain"])
    relation = f"{told} than" if told.endswith(("better", "worse")) else "against"
    return words.append(f", {relation} the default configuration's {number(default['value'])} at the same epoch")


def _forebears(best: dict[str, Any]) -> list[str]:
    """Whose heir the best trial is, from its parent back."""
    steps = reversed(list(pairwise(best["schedule"])))
    return [f"{before['trial']} after epoch {after['from_epoch'] - 1}" for before, after in steps]


def _on_the_front(member: dict[str, Any]) -> str:
    values = ", ".join(f"{name} {number(value)}" for name, value in member["values"].items())
    return f"{values} (trial {member['trial']})"


def _report(summary: dict[str, Any]) -> str:
    return summary["report"] or f"raise-hpo report {summary['study']}"


def _mlflow(summary: dict[str, Any]) -> str:
    words = f"raise-hpo ui {summary['study']}"
    if summary["mlflow_missing"] and summary["state"] != "running":
        words += (
            f" (lacks the last {counted(summary['mlflow_missing'], 'event')}; "
            f"send them by: python -m raise_hpo.track {quote(summary['folder'])})"
        )
    return words
