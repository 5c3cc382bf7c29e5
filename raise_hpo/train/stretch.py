"""One worker's part of a training, from a start to its end or to what breaks it off; without Ray."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from raise_hpo.journal import Journal, read
from raise_hpo.report.words import counted
from raise_hpo.train.order import TrainingOrder
from raise_hpo.train.progress import Progress
from raise_hpo.trial.failures import TrialFailure
from raise_hpo.trial.record import write_whole
from raise_hpo.trial.runner import TrialRunner

_GIVEN_UP = -1


class Stretch:
    """Trains from the newest checkpoint on until the training is over.

    Rank 0 alone writes, reads and decides; the others follow, so that no two workers can see a shared file system
    differently. An epoch's metrics are on disk before its checkpoint is, and that before it is named in the record:
    whatever dies when, every epoch up to a checkpoint is known, and none is behind it.

    Args:
        order: What to train.
        runner: The worker's runner, with a model that is built and not loaded.
        nodes: The names of all workers' nodes.
    """

    def __init__(self, order: TrainingOrder, runner: TrialRunner, nodes: tuple[str, ...] = ()) -> None:
        self.order = order
        self.runner = runner
        self.record = Record(order, runner.place.world_size, nodes) if runner.place.rank == 0 else None

    def run(self) -> None:
        """Train; how it ended is in the record."""
        try:
            start = self._agreed(lambda record: record.begin())
            if start == _GIVEN_UP:
                return
            if start:
                self.runner.load((self.order.folder.path / self.order.folder.checkpoint(start)).read_bytes())
            while not self._agreed(lambda record: record.is_over()):
                self._epoch()
        finally:
            if self.record is not None:
                self.record.close()

    def _epoch(self) -> None:
        trainable = self.runner.trainable
        trainable.first_batch_at = None
        metrics = self.runner.epoch()
        if self.record is not None:
            self.record.reported(trainable.epoch, metrics, trainable.first_batch_at)
            if self.record.is_to_save():
                self.record.save(trainable.epoch, self.runner.save())

    def _agreed(self, ask: Callable[[Record], int]) -> int:
        """Rank 0's answer, on every rank."""
        answer = torch.tensor(float(ask(self.record)) if self.record else 0.0, dtype=torch.float64)
        return int(self.runner.trainable.sum_over_workers(answer.to(self.runner.place.device)))


class Record:
    """Rank 0's side: the record of epochs, the checkpoints, and whether to go on.

    Args:
        order: What is trained.
        workers: Number of workers.
        nodes: The names of their nodes.
    """

    def __init__(self, order: TrainingOrder, workers: int, nodes: tuple[str, ...]) -> None:
        self.order = order
        self.workers = workers
        self.nodes = nodes
        self.folder = order.folder
        self._journal = Journal(self.folder.epochs)
        self.progress = Progress(order.metric, order.mode, read(self.folder.epochs))
        self._verdict: tuple[str, str] | None = None
        self._ended = False

    def begin(self) -> int:
        """The epoch after whose checkpoint to go on, 0 to start anew; below 0 if the training is given up."""
        after = max((epoch for epoch in self.progress.saved if self._has(epoch)), default=0)
        self._note("began", session=self.order.session, epoch=after, workers=self.workers, nodes=list(self.nodes))
        if (failures := self.progress.failures_here(self.order.session)) >= self.order.attempts:
            self._end("failed", f"{counted(failures, 'start')} in a row came no further than epoch {after}")
            return _GIVEN_UP
        self._verdict = self._why_over()
        return after

    def reported(self, epoch: int, metrics: Mapping[str, float], first_batch: float | None) -> None:
        """Write an epoch's metrics down; one without a value to go on with ends the training.

        Raises:
            TrialFailure: A later driver has taken the training up, and this worker has outlived its own.
        """
        self._check_session()
        self._note("epoch", epoch=epoch, metrics=dict(metrics), first_batch=first_batch)
        self._verdict = self._why_over()
        metric = self.order.metric
        if metric not in metrics:
            names = ", ".join(sorted(metrics)) or "nothing"
            self._end("failed", f"the trainable reported {names}, but not the objective {metric}", "no_metric")
        elif not math.isfinite(metrics[metric]):
            self._end("failed", f"{metric} is {metrics[metric]} at epoch {epoch}", "nan")

    def is_to_save(self) -> bool:
        """Whether the last epoch gets a checkpoint: a due one, the best one, or the last one."""
        if self._ended:
            return False
        epoch = self.progress.epoch
        return epoch % self.order.every == 0 or epoch == self.progress.best or self._verdict is not None

    def save(self, epoch: int, raw: bytes) -> None:
        """Write a checkpoint, and remove those that it and the best one replace."""
        path = self.folder.checkpoint(epoch)
        write_whole(self.folder.path / path, raw)
        self._note("saved", epoch=epoch, path=path)
        keep = {self.folder.path / self.folder.checkpoint(each) for each in (epoch, self.progress.best or epoch)}
        for file in self.folder.checkpoints.glob("*.pt"):
            if file not in keep:
                file.unlink(missing_ok=True)

    def is_over(self) -> bool:
        """Whether the training ends here."""
        if not self._ended and self._verdict is not None:
            self._end(*self._verdict)
        return self._ended

    def close(self) -> None:
        """Close the record."""
        self._journal.close()

    def _why_over(self) -> tuple[str, str] | None:
        """State and reason of an end here."""
        if (why := self.progress.over(self.order.epochs, self.order.patience)) is not None:
            return "finished", why
        if not self.folder.stop_request.exists():
            return None
        return "stopped", self.folder.stop_request.read_text().strip() or "stopped on request"

    def _end(self, state: str, why: str, failure: str | None = None) -> None:
        self._ended = True
        self._note("ended", session=self.order.session, state=state, why=why, failure=failure)

    def _check_session(self) -> None:
        if self.folder.session.is_file() and self.folder.session.read_text() != str(self.order.session):
            raise TrialFailure("killed", "a later driver has taken this training up")

    def _has(self, epoch: int) -> bool:
        return (self.folder.path / self.folder.checkpoint(epoch)).is_file()

    def _note(self, kind: str, **what: Any) -> None:
        event = {"event": kind, "time": round(time.time(), 3), **what}
        self._journal.append([event])
        self.progress.apply(event)
