"""Turns a journal's events into what MLflow is told: plain data, one update a run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raise_hpo.history import History, Trial
from raise_hpo.journal import Event

_LONGEST = 5000
_NOT_IN_NAMES = re.compile(r"[^\w\-. :/]")
_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED", "interrupted": "KILLED"}
_TRIAL_STATUS = {**_STATUS, "running": "RUNNING", "waiting": "SCHEDULED", "paused": "SCHEDULED"}
STUDY_KEYS = (
    "trainable", "searcher", "scheduler", "stopper", "max_epochs", "budget", "resources", "objective", "seed", "config"
)  # fmt: skip


@dataclass
class RunUpdate:
    """What one run learns from some events. Times are milliseconds since the epoch, as MLflow counts.

    Attributes:
        trial: The trial's number; None for the study's own run.
        name: The run's name.
        began: When the run began.
        metrics: Name, value, time and step.
        status: MLflow's word for the run's state; None leaves it.
        ended: When it ended, if `status` is an end.
    """

    trial: int | None
    name: str
    began: int
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    status: str | None = None
    ended: int | None = None


class Translator:
    """Folds events, and says what they mean to MLflow. The same events always make the same updates.

    Attributes:
        history: The fold so far.
    """

    def __init__(self) -> None:
        self.history = History()
        self._best: float | None = None
        self._front: set[int] = set()

    def updates(self, events: Iterable[Event]) -> list[RunUpdate]:
        """Take events in, and give one update for each run that they concern, the study's own first."""
        found: dict[int | None, RunUpdate] = {}
        for event in events:
            self.history.apply(event)
            self._tell_study(event, found)
            if "trial" in event:
                self._tell_trial(event, found)
            if event["event"] in ("reported", "failed") and len(self.history.objectives) > 1:
                self._tell_front(found)
        return sorted(found.values(), key=lambda update: -1 if update.trial is None else update.trial)

    def _study_update(self, found: dict[int | None, RunUpdate]) -> RunUpdate:
        began = _milliseconds(self.history.sessions[0][0])
        return found.setdefault(None, RunUpdate(None, self.history.name, began))

    def _tell_study(self, event: Event, found: dict[int | None, RunUpdate]) -> None:
        kind = event["event"]
        if kind == "study":
            self._study_update(found).params.update(study_params(event["study"]))
        if kind in ("study", "resumed"):
            self._end(self._study_update(found), "RUNNING", event)
        if kind == "stopped":
            update = self._study_update(found)
            update.tags["raise_hpo.why"] = _short(event["why"])
            self._end(update, _STATUS[event["state"]], event)
        if kind == "reported":
            self._tell_best(event, self._study_update(found))

    def _tell_best(self, event: Event, update: RunUpdate) -> None:
        """The study's run shows the best value against all epochs trained, whenever it changes."""
        best = self.history.best()
        if best is None or best.value == self._best:
            return
        self._best = best.value
        step, time = self.history.epochs, _milliseconds(event.get("time", 0.0))
        update.metrics.append((metric_name(f"best_{self.history.metric}"), float(best.value or 0.0), time, step))
        update.tags["raise_hpo.best_trial"] = str(best.number)
        update.tags["raise_hpo.best_config"] = _short(json.dumps(best.config))

    def _tell_front(self, found: dict[int | None, RunUpdate]) -> None:
        """With several objectives, who came onto the Pareto front or left it, and in the study's run who is on it."""
        members = [trial.number for trial in self.history.front()]
        front = set(members)
        for number in sorted(front ^ self._front):
            update = self._trial_update(self.history.trials[number], found)
            update.tags["raise_hpo.pareto"] = str(number in front).lower()
        if front != self._front:
            self._study_update(found).tags["raise_hpo.front"] = _short(", ".join(map(str, members)))
        self._front = front

    @staticmethod
    def _trial_update(trial: Trial, found: dict[int | None, RunUpdate]) -> RunUpdate:
        began = _milliseconds(trial.suggested_at)
        return found.setdefault(trial.number, RunUpdate(trial.number, f"trial {trial.number}", began))

    def _tell_trial(self, event: Event, found: dict[int | None, RunUpdate]) -> None:
        trial = self.history.trials[event["trial"]]
        update = self._trial_update(trial, found)
        kind = event["event"]
        if kind == "suggested":
            update.params.update(params(trial.config))
            update.tags["raise_hpo.source"] = trial.source
            if trial.parent is not None:
                update.tags["raise_hpo.parent_trial"] = str(trial.parent[0])
                update.tags["raise_hpo.parent_epoch"] = str(trial.parent[1])
            if trial.mate is not None:
                update.tags["raise_hpo.mate_trial"] = str(trial.mate[0])
                update.tags["raise_hpo.mate_epoch"] = str(trial.mate[1])
        elif kind == "started":
            update.tags["raise_hpo.place"] = _short(f"{event['node']} slot {event['slot']}, attempt {event['attempt']}")
        elif kind == "reported":
            update.metrics += _metrics(event)
        else:
            update.tags.update(_verdict(event))
        update.tags["raise_hpo.state"] = trial.state
        self._end(update, _TRIAL_STATUS[trial.state], event)

    @staticmethod
    def _end(update: RunUpdate, status: str, event: Event) -> None:
        update.status = status
        update.ended = _milliseconds(event.get("time", 0.0)) if status in _STATUS.values() else None

    def left_open(self) -> list[RunUpdate]:
        """What to tell of a study whose driver died without a word: nothing of it runs any more."""
        if self.history.state != "running" or not self.history.sessions:
            return []
        last = _milliseconds(self.history.sessions[-1][1])
        update = self._study_update({})
        update.status, update.ended = "KILLED", last
        update.tags["raise_hpo.why"] = "the driver ended without a word"
        return [update, *[_waits(trial) for trial in self.history.trials if trial.state == "running"]]


def _waits(trial: Trial) -> RunUpdate:
    update = RunUpdate(trial.number, f"trial {trial.number}", _milliseconds(trial.suggested_at), status="SCHEDULED")
    update.tags["raise_hpo.state"] = "waiting"
    return update


def _metrics(event: Event) -> list[tuple[str, float, int, int]]:
    time = _milliseconds(event.get("time", 0.0))
    return [(metric_name(name), float(value), time, event["epoch"]) for name, value in event["metrics"].items()]


def _verdict(event: Event) -> dict[str, str]:
    """What became of a trial, as tags."""
    if event["event"] == "decided":
        return {"raise_hpo.decision": event["decision"], "raise_hpo.why": _short(event["why"])}
    if event["event"] == "failed":
        return {"raise_hpo.failure_kind": event["kind"], "raise_hpo.failure_cause": _short(event["cause"])}
    if event["event"] == "finished":
        return {"raise_hpo.decision": "finish", "raise_hpo.why": "all epochs are done"}
    return {}


def study_params(study: Mapping[str, Any]) -> dict[str, str]:
    """The study's key settings, with dotted names."""
    chosen = {key: study[key] for key in STUDY_KEYS if study.get(key) not in (None, {})}
    return params(_flat(chosen))


def params(config: Mapping[str, Any]) -> dict[str, str]:
    """A flat configuration as MLflow takes it: allowed names, text values; what is not set is left out."""
    return {metric_name(key): _short(_text(value)) for key, value in config.items() if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def metric_name(name: str) -> str:
    """A name with what MLflow does not allow replaced by underscores."""
    return _NOT_IN_NAMES.sub("_", name)[:250].strip("/") or "_"


def _flat(nested: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat.update(_flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value})
    return flat


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
