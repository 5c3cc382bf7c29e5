"""Trials whose training is a formula with a state, with a real file for each checkpoint: weights are inherited."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from raise_hpo.checkpoints import drop_replaced, drop_surplus, sweep
from raise_hpo.decide import DecisionCore, Run
from raise_hpo.folder import StudyFolder
from raise_hpo.history import ENDED, Config, Trial
from raise_hpo.journal import Event
from raise_hpo.study import StudySpec

Epoch = Callable[[Config, float | None], float]
"""The state after an epoch, from the configuration and the state before; it is the loss, too."""


class Driven:
    """Runs a study's trials over so many slots, an epoch of each in turn, with checkpoints as the Ray driver has them.

    Args:
        study: The study.
        folder: Its folder.
        train: Trains an epoch.
        slots: Trials at a time.
        before: What happened before, if the study is taken up again.
        every: Epochs between checkpoints, besides those at rungs.
    """

    def __init__(
        self, study: StudySpec, folder: Path, train: Epoch, slots: int = 2, before: list[Event] | None = None,
        every: int = 1,
    ) -> None:  # fmt: skip
        self.events: list[Event] = list(before or [])
        self.core = DecisionCore(study, self.events.extend, clock=lambda: 0.0, events=before or [])
        if before:
            self.core.go_on(slots)
        else:
            self.core.begin("driven", slots, {})
        self.folder = folder
        self.train = train
        self.slots = slots
        self.every = every
        self.running: dict[int, tuple[int, float | None]] = {}
        (folder / "checkpoints").mkdir(exist_ok=True)

    def run(self, reports: int | None = None, unpruned: bool = False) -> bool:
        """Run to the end, or for so many reports, as if killed then: before files are removed if `unpruned`."""
        made = 0
        while self._fill():
            for number in list(self.running):
                if made == reports:
                    return False
                made += 1
                self._epoch(number, prune=not (unpruned and made == reports))
        sweep(StudyFolder(self.folder), self.core.history, self.core.study.checkpoints.keep)
        return True

    def files(self) -> set[str]:
        return {f"checkpoints/{file.name}" for file in (self.folder / "checkpoints").iterdir()}

    def _fill(self) -> bool:
        while len(self.running) < self.slots and isinstance(action := self.core.next(), Run):
            trial = action.trial
            state = None
            if trial.checkpoint:
                state = float((self.folder / trial.checkpoint[1]).read_text())
            self.running[trial.number] = (trial.checkpoint[0] if trial.checkpoint else 0, state)
            self.core.started(trial.number, "here", "0", 1, 0.0)
        return bool(self.running)

    def _epoch(self, number: int, prune: bool) -> None:
        trial = self.core.history.trials[number]
        epoch, state = self.running[number]
        epoch, state = epoch + 1, self.train(trial.config, state)
        checkpoint = None
        study = self.core.study
        if epoch % self.every == 0 or epoch in self.core.scheduler.rungs or epoch == study.max_epochs:
            checkpoint = f"checkpoints/{number}-{epoch}"
            (self.folder / checkpoint).write_text(repr(state))
        before = trial.files
        decision = self.core.report(number, epoch, {"val_loss": state}, checkpoint)
        if prune:
            self._prune(trial, before)
        self.running[number] = (epoch, state)
        if decision.action != "continue":
            del self.running[number]

    def _prune(self, trial: Trial, before: list[str]) -> None:
        history = self.core.history
        drop_replaced(self.folder, history, set(before).difference(trial.files))
        if trial.state in ENDED:
            drop_surplus(self.folder, history, self.core.study.checkpoints.keep)
