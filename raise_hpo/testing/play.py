"""A study in miniature: trials with simple curves, played against a scheduler as the decision core would."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raise_hpo.history import Config
from raise_hpo.schedule import Scheduler
from raise_hpo.space import SearchSpace

SPACE = {"lr": "loguniform(1e-4, 1e-1)", "dropout": "uniform(0, 0.5)", "layers": "randint(1, 5)"}
Call = tuple[str, tuple[Any, ...]]


def config(trial: int) -> Config:
    """A configuration of the play's space."""
    return SearchSpace.parse(SPACE).sample(np.random.default_rng(trial))


def make_call(scheduler: Scheduler, call: Call) -> Any:
    """Tell or ask a scheduler what another one was told or asked."""
    method, arguments = call
    return getattr(scheduler, method)(*arguments)


@dataclass(frozen=True)
class Verdict:
    """What became of a trial: one of a `Decision`'s actions, or ``finish`` or ``fail``."""

    trial: int
    epoch: int
    action: str
    why: str


@dataclass
class Play:
    """A random but repeatable play. Each trial's curve falls, and no two curves cross.

    Args:
        scheduler: The scheduler; it is told and asked what the decision core would tell and ask.
        seed: Decides the curves, who reports next and who breaks.
        max_epochs: As the scheduler's.
        best: The trial whose loss is below all others' at every epoch, if one is to be.
        breaking: The chance of a trial to break in an epoch.
        default: Whether trial 0 is the default configuration: reported, not announced, never decided upon.

    Attributes:
        calls: Every ``on_...`` call that was made.
        answers: For each call, what was asked after it, and the answers.
        verdicts: What became of trials, in order.
        paused: The trials that wait, and at which epoch.
        begun: How many trials there were, heirs included.
        heirs: How many of them started from another one's checkpoint; they do not count as `trials`.
    """

    scheduler: Scheduler
    seed: int
    max_epochs: int
    trials: int = 30
    slots: int = 4
    best: int | None = None
    breaking: float = 0.0
    default: bool = False
    calls: list[Call] = field(default_factory=list)
    answers: list[list[tuple[Call, Any]]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    paused: dict[int, int] = field(default_factory=dict)
    begun: int = 0
    heirs: int = 0
    _running: dict[int, int] = field(default_factory=dict)
    _saved: dict[int, int] = field(default_factory=dict)
    _exhausted: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._floors = [self._random.random() for _ in range(self.trials)]
        if self.best is not None:
            self._floors[self.best] = -1.0

    def run(self) -> Play:
        """Play until nothing runs and nothing is to be run."""
        while True:
            while len(self._running) < self.slots and self._next():
                pass
            if not self._running:
                return self
            self._epoch(self._random.choice(sorted(self._running)))

    def ended(self, action: str) -> set[int]:
        """The trials that ended in that way."""
        return {verdict.trial for verdict in self.verdicts if verdict.action == action}

    # A free slot

    def _next(self) -> bool:
        self._give_up()
        steps: tuple[Callable[[], bool], ...] = (self._resume, self._inherit, self._start, self._run_out)
        return any(step() for step in steps)

    def _give_up(self) -> None:
        while (given_up := self.scheduler.give_up()) is not None:
            trial, why = given_up
            self._note(trial, self.paused.pop(trial), "stop", why)

    def _resume(self) -> bool:
        resumed = self.scheduler.resume()
        if resumed is None:
            return False
        trial, why = resumed
        self._running[trial] = self.paused.pop(trial)
        self._note(trial, self._running[trial], "resume", why)
        return True

    def _inherit(self) -> bool:
        heir = self.scheduler.heir()
        if heir is None:
            return False
        self._saved[self.begun] = epoch = self._saved.get(heir.parent, 0)
        assert epoch, "the parent has no checkpoint to inherit"
        assert heir.parent in {*self._running, *self.paused}, "the parent's checkpoint may have gone with its end"
        self.heirs += 1
        self._begin(epoch, "on_heir", heir.config, heir.parent, epoch)
        return True

    def _start(self) -> bool:
        is_default = self.default and self.begun == 0
        if self.begun - self.heirs == self.trials or not (is_default or self.scheduler.has_room()):
            return False
        self._begin(0, None if is_default else "on_start", config(self.begun))
        return True

    def _begin(self, epoch: int, method: str | None, *arguments: Any) -> None:
        trial = self.begun
        self.begun += 1
        self._running[trial] = epoch
        if trial == len(self._floors):
            self._floors.append(self._random.random())
        if method is not None:
            self._tell(method, trial, *arguments)

    def _run_out(self) -> bool:
        if self._exhausted or self.begun - self.heirs < self.trials:
            return False
        self._exhausted = True
        self._tell("on_exhausted")
        return True

    # A running trial

    def _epoch(self, trial: int) -> None:
        if self._random.random() < self.breaking:
            self._leave(trial, self._running[trial], "fail", "broke")
            return
        self._running[trial] += 1
        epoch = self._running[trial]
        if epoch in self.scheduler.rungs:
            self._saved[trial] = epoch
        self._tell("on_report", trial, epoch, self._floors[trial] + 1 / epoch)
        if epoch == self.max_epochs:
            self._leave(trial, epoch, "finish", "all epochs are done")
        elif not (self.default and trial == 0):
            decision = self.scheduler.decide(trial, epoch)
            self._leave(trial, epoch, decision.action, decision.why)

    def _leave(self, trial: int, epoch: int, action: str, why: str) -> None:
        if action != "continue":
            del self._running[trial]
        if action == "pause":
            self.paused[trial] = epoch
        self._note(trial, epoch, action, why)

    # The record

    def _note(self, trial: int, epoch: int, action: str, why: str) -> None:
        self.verdicts.append(Verdict(trial, epoch, action, why))
        if action in ("pause", "resume"):
            self._tell(f"on_{action}", trial, epoch)
        elif action != "continue":
            self._tell("on_end", trial)

    def _tell(self, method: str, *arguments: Any) -> None:
        self.calls.append((method, arguments))
        make_call(self.scheduler, self.calls[-1])
        self.answers.append([(call, make_call(self.scheduler, call)) for call in self._questions()])

    def _questions(self) -> list[Call]:
        """Everything that may be asked now."""
        questions: list[Call] = [(method, ()) for method in ("resume", "give_up", "heir", "has_room")]
        method, arguments = self.calls[-1]
        if method == "on_report" and arguments[1] < self.max_epochs and not (self.default and arguments[0] == 0):
            questions += [("decide", arguments[:2]), ("need", arguments[:2])]
        return questions
