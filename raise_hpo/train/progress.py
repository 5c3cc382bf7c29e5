"""How far a training has come: a fold over what rank 0 has written down."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from raise_hpo.history import History
from raise_hpo.journal import Event
from raise_hpo.report.words import counted


class Progress:
    """Epochs, the best of them, and the checkpoints that are there.

    The events are those of ``epochs.jsonl``: ``began`` (a start of the workers, after an epoch), ``epoch`` (with its
    metrics) and ``saved`` (its checkpoint is written). What was trained after the checkpoint of a start does not count.

    Attributes:
        values: The objective at each epoch that counts.
        saved: The epochs whose checkpoints were written.
    """

    def __init__(self, metric: str, mode: Literal["min", "max"], events: Iterable[Event] = ()) -> None:
        self.metric = metric
        self.mode = mode
        self.values: dict[int, float] = {}
        self.saved: list[int] = []
        self._starts: list[tuple[int, int]] = []
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        if event["event"] == "began":
            self._starts.append((event["session"], event["epoch"]))
            self.values = {epoch: value for epoch, value in self.values.items() if epoch <= event["epoch"]}
            self.saved = [epoch for epoch in self.saved if epoch <= event["epoch"]]
        elif event["event"] == "epoch":
            self.values[event["epoch"]] = float(event["metrics"].get(self.metric, math.nan))
        elif event["event"] == "saved":
            self.saved.append(event["epoch"])

    @property
    def epoch(self) -> int:
        """The last epoch; 0 before the first."""
        return max(self.values, default=0)

    @property
    def best(self) -> int | None:
        """The epoch with the best finite value, the first one of equals; None if there is none."""
        finite = [epoch for epoch, value in sorted(self.values.items()) if math.isfinite(value)]
        sign = 1.0 if self.mode == "min" else -1.0
        return min(finite, key=lambda epoch: sign * self.values[epoch], default=None)

    def failures_here(self, session: int) -> int:
        """How many starts of a session in a row broke off after the epoch that the last one begins with."""
        mine = [epoch for number, epoch in self._starts if number == session]
        same = next((count for count, epoch in enumerate(reversed(mine)) if epoch != mine[-1]), len(mine))
        return same - 1 if same == len(mine) else same

    def over(self, epochs: int, patience: int | None) -> str | None:
        """Why the training is over; None if it goes on.

        Args:
            epochs: Epochs to train at most.
            patience: Epochs without a better value after which it stops; None for no such limit.
        """
        if self.epoch >= epochs:
            return f"all {counted(epochs, 'epoch')} are trained"
        best = self.best or 0
        if patience is not None and self.epoch - best >= patience:
            return f"{self.metric} has not improved for {counted(self.epoch - best, 'epoch')}, since epoch {best}"
        return None


def progress_of(history: History) -> Progress:
    """A training's epochs and the best of them, from its journal."""
    found = Progress(history.metric, history.mode)
    found.values = dict(history.trials[0].values) if history.trials else {}
    return found
