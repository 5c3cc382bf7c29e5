"""The driver's side of the record: what rank 0 and Ray Train's controller have written becomes the journal's events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.track.tail import JournalTail
from raise_hpo.train.folder import TrainingFolder


class Follower:
    """Turns what is new in ``epochs.jsonl`` and ``failures.jsonl`` into the journal's events, each once.

    The events that it makes say from where they are (``record``, ``failure``), so that a driver which takes a training
    up again goes on where the journal ends, and misses nothing that was written after the last driver died.

    Args:
        folder: The training's folder.
        events: The journal so far.
    """

    def __init__(self, folder: TrainingFolder, events: Sequence[Event] = ()) -> None:
        self._epochs = JournalTail(folder.epochs)
        self._failures = JournalTail(folder.failures)
        self._record = max((event["record"] for event in events if "record" in event), default=-1)
        self._failure = max((event["failure"] for event in events if "failure" in event), default=-1)
        self.ended: Event | None = None
        self.last_failure: Event | None = None

    def news(self, history: History) -> Iterator[list[Event]]:
        """The journal's new events, in groups that belong together; what is yielded must be applied to the history."""
        for event in self._failures.read():
            if event["seq"] > self._failure:
                self.last_failure = event
                yield [self._failed(event, history)]
        for event in self._epochs.read():
            if event["seq"] > self._record and (made := self._of(event, history)):
                yield [{**each, "record": event["seq"]} for each in made]

    def _failed(self, event: Event, history: History) -> Event:
        trial = history.trials[0]
        return {
            "event": "failed", "trial": 0, "kind": event["kind"], "cause": event["cause"], "rank": event["rank"],
            "attempt": trial.attempt, "retry": True, "failure": event["seq"],
        }  # fmt: skip

    def _of(self, event: Event, history: History) -> list[Event]:
        trial, kind = history.trials[0], event["event"]
        if kind == "began":
            return [
                {
                    "event": "started", "trial": 0, "node": ", ".join(event["nodes"]), "slot": "0",
                    "attempt": trial.attempt, "workers": event["workers"], "epoch": event["epoch"],
                    "began": event["time"],
                }
            ]  # fmt: skip
        if kind == "saved" and event["epoch"] > (trial.checkpoint[0] if trial.checkpoint else 0):
            return [{"event": "checkpointed", "trial": 0, "epoch": event["epoch"], "path": event["path"]}]
        if kind == "epoch" and event["epoch"] > trial.epoch and history.metric in event["metrics"]:
            told = {key: event[key] for key in ("epoch", "metrics", "first_batch")}
            return [{"event": "reported", "trial": 0, **told}]
        if kind == "ended":
            self.ended = event
        return []
