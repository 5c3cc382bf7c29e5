"""One loop for all: a contestant says what to train on free slots, and whether a trial goes on after each epoch."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Config = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A stretch of training: a configuration from the epochs it has behind it on, at most until an epoch.

    A trial that is taken up again is trained on from where it was; no contestant is charged for loading a checkpoint.
    """

    trial: int
    config: Config
    done: int
    until: int


class Contestant(Protocol):
    """A searcher and scheduler, whoever wrote them."""

    def next(self, now: float) -> Job | None:
        """What a free slot should train; None to wait for a report."""

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """An epoch (counting from 1) is done; whether the trial goes on, which past the job's end it cannot."""


class LearningCurves(Protocol):
    """Where losses and times come from."""

    def curve(self, config: Config) -> NDArray[np.float64]:
        """The loss after each epoch."""

    def seconds(self, config: Config) -> float:
        """The time an epoch takes."""


@dataclass
class Outcome:
    """What a race came to.

    Attributes:
        steps: Time and loss of each improvement of the best loss that any trial has reported.
        epochs: Epochs trained.
        trials: Configurations begun.
        idle: Share of the slots' time in which they had nothing to do.
    """

    steps: list[tuple[float, float]] = field(default_factory=list)
    epochs: int = 0
    trials: int = 0
    idle: float = 0.0

    def best(self, time: float) -> float | None:
        """The best loss that was reported until then."""
        reported = [loss for when, loss in self.steps if when <= time]
        return reported[-1] if reported else None


def race(contestant: Contestant, curves: LearningCurves, slots: int, horizon: float) -> Outcome:
    """Let a contestant use so many slots for so many seconds; epochs finished by then count, whatever still runs."""
    loop = _Loop(contestant, curves, slots, horizon * (1 + 1e-9))
    loop.run()
    return loop.outcome


@dataclass(order=True)
class _Epoch:
    """An epoch in training: when it will be done, and of what."""

    time: float
    order: int
    job: Job = field(compare=False)
    number: int = field(compare=False)
    curve: NDArray[np.float64] = field(compare=False)
    seconds: float = field(compare=False)


class _Loop:
    def __init__(self, contestant: Contestant, curves: LearningCurves, slots: int, horizon: float) -> None:
        self.contestant, self.curves, self.slots, self.horizon = contestant, curves, slots, horizon
        self.outcome = Outcome()
        self._now, self._free, self._busy = 0.0, slots, 0.0
        self._queue: list[_Epoch] = []
        self._order: Callable[[], int] = itertools.count().__next__
        self._curves: dict[int, NDArray[np.float64]] = {}

    def run(self) -> None:
        while True:
            self._fill()
            if not self._queue or self._queue[0].time > self.horizon:
                break
            self._report(heapq.heappop(self._queue))
        running = sum(self.horizon - (epoch.time - epoch.seconds) for epoch in self._queue)
        self.outcome.idle = 1 - (self._busy + running) / (self.slots * self.horizon)

    def _fill(self) -> None:
        while self._free and (job := self.contestant.next(self._now)) is not None:
            self._free -= 1
            self.outcome.trials += job.done == 0
            if job.trial not in self._curves:
                self._curves[job.trial] = self.curves.curve(job.config)
            self._train(job, job.done + 1, self._curves[job.trial], self.curves.seconds(job.config))

    def _train(self, job: Job, number: int, curve: NDArray[np.float64], seconds: float) -> None:
        heapq.heappush(self._queue, _Epoch(self._now + seconds, self._order(), job, number, curve, seconds))

    def _report(self, epoch: _Epoch) -> None:
        self._now, loss = epoch.time, float(epoch.curve[epoch.number - 1])
        self._busy += epoch.seconds
        self.outcome.epochs += 1
        if not self.outcome.steps or loss < self.outcome.steps[-1][1]:
            self.outcome.steps.append((self._now, loss))
        goes_on = self.contestant.report(epoch.job.trial, epoch.number, loss, self._now)
        if goes_on and epoch.number < epoch.job.until:
            self._train(epoch.job, epoch.number + 1, epoch.curve, epoch.seconds)
        else:
            self._free += 1
