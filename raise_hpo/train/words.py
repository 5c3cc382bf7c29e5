"""What is said of a training: a line an event while it runs, and its summary at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from raise_hpo.folder import StudyFolder
from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.report.drawn import drawn_of
from raise_hpo.report.words import counted, duration, gain_words, number
from raise_hpo.train.folder import TrainingFolder
from raise_hpo.train.plan import first_events
from raise_hpo.train.progress import Progress, progress_of
from raise_hpo.yaml_source import dump_yaml


class EpochLines:
    """Prints a line an epoch, and one for whatever else is worth it.

    Args:
        console: Where to print.
        epochs: Epochs that the training has at most.
    """

    def __init__(self, console: Console, epochs: int) -> None:
        self.console = console
        self.epochs = epochs
        self._off = False

    def __call__(self, event: Event, history: History) -> None:
        """Print an event that was journaled; a reader who has gone away ends the printing, not the training."""
        if self._off or event["event"] not in _WORDS:
            return
        stamp = time.strftime("%H:%M:%S", time.localtime(event["time"]))
        words = " ".join(_WORDS[event["event"]](event, history, self.epochs).split())
        try:
            self.console.print(f"{stamp} {words}", markup=False, highlight=False, emoji=False, soft_wrap=True)
        except (Exception, SystemExit):  # rich answers a broken pipe with SystemExit
            self._off = True


def _study(event: Event, history: History, epochs: int) -> str:
    training = event["training"]
    patience = training["patience"]
    stop = f", until {patience} of them bring nothing better" if patience is not None else ""
    return f"training {event['name']}: {training['source']}, up to {counted(epochs, 'epoch')}{stop}"


def _resumed(event: Event, history: History, epochs: int) -> str:
    return f"training {history.name} goes on after epoch {progress_of(history).epoch}, up to epoch {epochs}"


def _started(event: Event, history: History, epochs: int) -> str:
    after = f" after epoch {event['epoch']}" if event["epoch"] else ""
    return f"{counted(event['workers'], 'worker')} started on {event['node']}{after}"


def _reported(event: Event, history: History, epochs: int) -> str:
    progress, epoch = progress_of(history), event["epoch"]
    best = "best so far" if progress.best == epoch else f"best {_value(progress)}"
    seconds = [metrics["seconds"] for metrics in history.trials[0].metrics.values() if "seconds" in metrics]
    spent, left = "", ""
    if seconds:
        spent = f", {duration(float(event['metrics'].get('seconds', 0.0)))}"
        left = f", {duration(median(seconds[-20:]) * (epochs - epoch))} left" if epoch < epochs else ""
    return f"epoch {epoch} of {epochs} {history.metric} {number(progress.values[epoch])}, {best}{spent}{left}"


def _failed(event: Event, history: History, epochs: int) -> str:
    return f"worker {event['rank']} failed ({event['kind']}): {event['cause']}; all start again from the checkpoint"


def _stopped(event: Event, history: History, epochs: int) -> str:
    return f"training {event['state']}: {event['why']}"


_WORDS: dict[str, Callable[[Event, History, int], str]] = {
    "study": _study, "resumed": _resumed, "started": _started, "reported": _reported, "failed": _failed,
    "stopped": _stopped,
}  # fmt: skip


def _value(progress: Progress) -> str:
    return f"{number(progress.values[progress.best])} at epoch {progress.best}" if progress.best else "not known"


def training_summary(folder: TrainingFolder) -> dict[str, Any]:
    """How a training stands, as plain data whose keys are kept from now on.

    ``best`` is its best epoch. ``against`` are the trial that had the same configuration, the best trial and the
    default configuration of the study's run, each with its last value and with what the training gained over it, as a
    share of it, positive is better.
    """
    beginning = first_events(folder)
    history = folder.history() if folder.begun else History(beginning)
    progress = progress_of(history)
    best = None
    if progress.best is not None:
        best = {"epoch": progress.best, "value": progress.values[progress.best]}
    training = beginning[0]["training"]
    state, why = history.state, history.why
    if not folder.begun:
        state, why = "submitted", "no job has begun it yet"
    elif state == "running" and folder.driver() is None:
        state, why = "interrupted", "the driver ended without a word"
    checkpoint, drawn = folder.best / "checkpoint.pt", drawn_of(folder, history)
    return {
        "training": history.name,
        "state": state,
        "why": why,
        "folder": str(folder.path.resolve()),
        "metric": history.metric,
        "mode": history.mode,
        "epochs": progress.epoch,
        "seconds": round(history.seconds, 3),
        "config": dict(history.trials[0].config),
        "source": training["source"],
        "best": best,
        "against": _against(training, history, best),
        "checkpoint": str(checkpoint.resolve()) if checkpoint.is_file() else None,
        "figures": str(folder.figures_page.resolve()) if drawn.figures else None,
        "figures_failure": drawn.failure or None,
        "log": str(folder.log.resolve()),
    }


def _against(training: dict[str, Any], history: History, best: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The yardsticks in the run that the training belongs to."""
    run = StudyFolder(Path(training["run"])) if training["run"] else None
    if best is None or run is None or not run.begun:
        return []
    study = run.history()
    trials = {"the same configuration": training["trial"]}
    if (default := study.default()) is not None:
        trials["the default configuration"] = default.number
    if (leader := study.best()) is not None:
        trials["the study's best"] = leader.number
    found: dict[int, dict[str, Any]] = {}
    for what, trial in trials.items():
        if trial is not None and trial not in found and (value := study.trials[trial].value) is not None:
            gain = (history.loss(value) - history.loss(best["value"])) / abs(value) if value else None
            told = {"trial": trial, "what": what, "epoch": study.trials[trial].epoch, "value": value, "gain": gain}
            found[trial] = told
    return list(found.values())


def closing_words(summary: dict[str, Any]) -> RenderableType:
    """What ``train`` says at its end, and ``status`` of a training.

    Args:
        summary: A training's `training_summary`.
    """
    why = f": {summary['why']}" if summary["why"] else ""
    spent = f"{counted(summary['epochs'], 'epoch')} in {duration(summary['seconds'])}"
    rows = [("epochs", Text(spent)), ("best", _best_words(summary))]
    rows += [("against", Text(_yardstick(each))) for each in summary["against"]]
    rows.append(("config", Text(dump_yaml(summary["config"]).strip() if summary["config"] else "the defaults")))
    if summary["checkpoint"]:
        rows.append(("model", Text(summary["checkpoint"])))
        rows.append(("export", Text(f"raise-hpo export {summary['training']} --format onnx")))
    if summary["figures"]:
        rows.append(("figures", Text(summary["figures"])))
    if summary["figures_failure"]:
        rows.append(("figures", Text(f"could not be drawn: {summary['figures_failure']}")))
    if summary.get("cluster"):
        from raise_hpo.cluster.queue import queue_words

        rows += [(label, Text(words)) for label, words in queue_words(summary["cluster"])]
    elif summary["state"] not in ("finished", "running"):
        rows += [("log", Text(summary["log"])), ("go on", Text(f"raise-hpo resume {summary['training']}"))]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(min_width=8, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words in rows:
        grid.add_row(Text(f"  {label}", style="dim"), words)
    return Group(Text.assemble((summary["training"], "bold"), f" {summary['state']}{why}"), grid)


def _best_words(summary: dict[str, Any]) -> Text:
    best = summary["best"]
    if best is None:
        return Text(f"no epoch has reported {summary['metric']}")
    return Text.assemble(f"{summary['metric']} ", (number(best["value"]), "bold green"), f" at epoch {best['epoch']}")


def _yardstick(each: dict[str, Any]) -> str:
    """How the training stands to a trial; without a share where the trial's value is 0."""
    told = gain_words(each["gain"])
    relation = {"": "", "equal": "equal to "}.get(told, f"{told} than ")
    return f"{relation}{each['what']}, trial {each['trial']}: {number(each['value'])} at epoch {each['epoch']}"
