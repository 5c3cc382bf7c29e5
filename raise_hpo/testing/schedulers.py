"""What every scheduler must keep."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raise_hpo.history import Config
from raise_hpo.schedule import Scheduler
from raise_hpo.space import SearchSpace

_MAX_EPOCHS = 9
_SPACE = {"lr": "loguniform(1e-4, 1e-1)", "dropout": "uniform(0, 0.5)", "layers": "randint(1, 5)"}
Call = tuple[str, tuple[Any, ...]]


@dataclass
class _Play:
    """A random but repeatable play of trials against a scheduler: its calls, and what was decided."""

    scheduler: Scheduler
    seed: int
    trials: int = 30
    calls: list[Call] = field(default_factory=list)
    decided: list[tuple[int, int, str]] = field(default_factory=list)

    def run(self) -> _Play:
        rng = random.Random(self.seed)
        losses = {trial: rng.random() for trial in range(self.trials)}
        running: dict[int, int] = {}
        fresh = iter(range(self.trials))
        for _ in range(4):
            self._refill(running, fresh)
        while running:
            trial = rng.choice(sorted(running))
            epoch = running[trial] + 1
            self._tell("on_report", trial, epoch, losses[trial] + 1 / epoch)
            action = self.scheduler.decide(trial, epoch).action if epoch < _MAX_EPOCHS else "stop"
            self.decided.append((trial, epoch, action))
            running[trial] = epoch
            if action != "continue":
                del running[trial]
                self._leave(trial, epoch, action)
                self._refill(running, fresh)
        return self

    def _leave(self, trial: int, epoch: int, action: str) -> None:
        if action == "pause":
            self._tell("on_pause", trial, epoch)
        else:
            self._tell("on_end", trial)

    def _refill(self, running: dict[int, int], fresh: Iterator[int]) -> None:
        resumed = self.scheduler.resume()
        if resumed is not None:
            trial = resumed[0]
            epoch = max(epoch for number, epoch, _ in self.decided if number == trial)
            self._tell("on_resume", trial, epoch)
            self.decided.append((trial, epoch, "resume"))
            running[trial] = epoch
        elif self.scheduler.has_room() and (trial := next(fresh, None)) is not None:
            self._tell("on_start", trial, _config(trial))
            running[trial] = 0

    def _tell(self, method: str, *arguments: Any) -> None:
        self.calls.append((method, arguments))
        apply_call(self.scheduler, self.calls[-1])


def _config(trial: int) -> Config:
    return SearchSpace.parse(_SPACE).sample(np.random.default_rng(trial))


def apply_call(scheduler: Scheduler, call: Call) -> None:
    """Tell a scheduler again what another one was told."""
    method, arguments = call
    getattr(scheduler, method)(*arguments)


class SchedulerContract(ABC):
    """Subclass, and return the scheduler from `make`."""

    @abstractmethod
    def make(self, max_epochs: int) -> Scheduler:
        """The scheduler under test."""

    def space(self) -> SearchSpace:
        """The search space of the checks."""
        return SearchSpace.parse(_SPACE)

    def test_same_reports_same_decisions(self) -> None:
        """Decisions depend on what was reported alone."""
        first, second = (_Play(self.make(_MAX_EPOCHS), 1).run() for _ in range(2))
        assert first.decided == second.decided

    def test_replaying_gives_the_same_next_decision(self) -> None:
        """A scheduler that is told again what happened decides as the one it happened to, at any point."""
        play = _Play(self.make(_MAX_EPOCHS), 2).run()
        for cut in range(0, len(play.calls), 5):
            replayed = [self.make(_MAX_EPOCHS) for _ in range(2)]
            for call in play.calls[: cut + 1]:
                for scheduler in replayed:
                    apply_call(scheduler, call)
            # Asking must change nothing: the first is asked twice, the second once.
            assert replayed[0].resume() == replayed[0].resume() == replayed[1].resume()
            method, arguments = play.calls[cut]
            if method == "on_report" and arguments[1] < _MAX_EPOCHS:
                at = arguments[:2]
                decisions = [replayed[0].decide(*at), replayed[0].decide(*at), replayed[1].decide(*at)]
                assert decisions[0] == decisions[1] == decisions[2]

    def test_decides_only_at_rungs(self) -> None:
        """Between rungs every trial goes on, so that checkpoints at the rungs are enough."""
        scheduler = self.make(_MAX_EPOCHS)
        for trial, epoch, action in _Play(scheduler, 3).run().decided:
            if epoch not in scheduler.rungs and epoch < _MAX_EPOCHS:
                assert action == "continue", (trial, epoch)

    def test_the_best_trial_is_never_stopped(self) -> None:
        """A trial better than all others at every epoch gets to the end."""
        scheduler = self.make(_MAX_EPOCHS)
        for epoch in range(1, _MAX_EPOCHS):
            for trial in range(20):
                scheduler.on_report(trial, epoch, float(trial))
            assert scheduler.decide(0, epoch).action == "continue"

    def test_says_why(self) -> None:
        """Every decision has words."""
        scheduler = self.make(_MAX_EPOCHS)
        scheduler.on_report(0, 1, 0.5)
        assert scheduler.decide(0, 1).why

    def test_an_ended_trial_is_not_resumed(self) -> None:
        """What has ended stays ended."""
        scheduler = self.make(_MAX_EPOCHS)
        for trial in range(9):
            scheduler.on_start(trial, _config(trial))
        for epoch in scheduler.rungs[:1]:
            for trial in range(9):
                scheduler.on_report(trial, epoch, float(trial))
                scheduler.on_pause(trial, epoch)
        for trial in range(9):
            scheduler.on_end(trial)
        assert scheduler.resume() is None
