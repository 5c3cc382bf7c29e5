"""What every searcher must keep."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.search import Searcher
from raise_hpo.space import SearchSpace

SPACES: dict[str, dict[str, Any]] = {
    "continuous": {"dropout": "uniform(0.0, 0.5)", "momentum": "uniform(-1, 1)"},
    "log": {"lr": "loguniform(1e-5, 1e-1)", "width": "lograndint(8, 1025)", "decay": "qloguniform(0.001, 1.0, 0.001)"},
    "quantised": {"steps": "quniform(10, 2000, 10)", "rate": "quniform(0.0, 0.5, 0.05)", "size": "qrandint(0, 8, 2)"},
    "integer": {"layers": "randint(1, 5)", "seed": "randint(0, 100000)", "flag": "randint(0, 2)"},
    "categorical": {
        "act": "choice([relu, elu, gelu])",
        "norm": "choice([false, true])",
        "shape": "choice([[1, 2], [3]])",
        "opt": "choice([adam])",
    },
    "conditional": {
        "conv": "choice([gnn, attention])",
        "gnn.bin_size": {"choice": [16, 32, 64], "when": {"conv": "gnn"}},
        "gnn.distance": {"uniform": [0.1, 2.0], "when": {"gnn.bin_size": [32, 64]}},
        "heads": {"randint": [1, 9], "when": {"conv": "attention"}},
    },
    "forbidden": {
        "lr": "loguniform(1e-4, 1e-1)",
        "layers": "randint(1, 5)",
        "conv": "choice([gnn, attention])",
        "forbidden": [{"conv": "attention", "layers": [3, 4]}, {"lr": {"above": 0.01}, "layers": 1}],
    },
    "mixed": {
        "lr": "loguniform(1e-4, 1e-1)",
        "steps": "quniform(10, 200, 10)",
        "layers": "randint(1, 5)",
        "conv": "choice([gnn, attention])",
        "gnn.bin_size": {"choice": [16, 32, 64], "when": {"conv": "gnn"}},
        "heads": {"choice": [1, 2, 4], "when": {"conv": "attention"}},
        "forbidden": [{"conv": "attention", "layers": 4}],
    },
}
"""A search space of each kind."""

_MAX_EPOCHS = 9
_RUNGS = (1, 3)
_ENDINGS = ("finished", "stopped", "finished", "paused", "failed", "running")


def study_event(max_epochs: int = _MAX_EPOCHS, mode: str = "min") -> Event:
    """The first event of a journal, with what a history needs of the study."""
    study = {"objective": {"metric": "val_loss", "mode": mode}, "max_epochs": max_epochs}
    return {"event": "study", "name": "contract", "study": study}


class SearcherContract(ABC):
    """Subclass, and return the searcher from `make`.

    Attributes:
        kind: The kind of search space of the checks, one of `SPACES`.
        trials: How many trials the checks run.
    """

    kind = "mixed"
    trials = 24

    @abstractmethod
    def make(self, space: SearchSpace, seed: int) -> Searcher:
        """The searcher under test."""

    def space(self) -> SearchSpace:
        """The search space of the checks."""
        return SearchSpace.parse(SPACES[self.kind])

    def test_suggestions_are_in_the_space(self) -> None:
        """Conditions, forbidden combinations, steps and bounds hold for every suggestion, whatever came before."""
        space = self.space()
        for config in self._sequence(self.make(space, 1), self.trials):
            space.check(config)
            assert {type(part) for value in config.values() for part in _parts(value)} <= {int, float, str, bool}

    def test_same_seed_same_sequence(self) -> None:
        """The seed decides the sequence."""
        first, second = (self._sequence(self.make(self.space(), 3), self.trials) for _ in range(2))
        assert first == second

    def test_a_suggestion_depends_on_the_history_alone(self) -> None:
        """Made anew at any point, as after a kill, it suggests what the one that was there all the time suggests.

        Trials run four at a time, end out of order, pause, go on and fail.
        """
        space = self.space()
        play = _Play(space, self._on_rungs(space), self.trials)
        for number, config in enumerate(play.suggestions()):
            if number % 5 == 4 or number == self.trials - 1:
                assert self._on_rungs(space).suggest(number, play.history) == config, number

    def test_broken_trials_do_not_break_it(self) -> None:
        """A study of failures alone still gets suggestions."""
        space = self.space()
        searcher, history = self.make(space, 2), History([study_event()])
        for number in range(self.trials):
            config = searcher.suggest(number, history)
            if config is None:
                return
            space.check(config)
            for event in _events(space, number, config, searcher.name, "failed"):
                history.apply(event)

    def _on_rungs(self, space: SearchSpace) -> Searcher:
        searcher = self.make(space, 5)
        searcher.rungs = _RUNGS
        return searcher

    def _sequence(self, searcher: Searcher, trials: int) -> list[Config]:
        history, configs = History([study_event()]), []
        for number in range(trials):
            config = searcher.suggest(number, history)
            if config is None:
                break
            configs.append(config)
            for event in _events(searcher.space, number, config, searcher.name, _ENDINGS[number % len(_ENDINGS)]):
                history.apply(event)
        return configs


@dataclass
class _Play:
    """A random but repeatable study of a searcher with four trials at a time; its reports come out of order."""

    space: SearchSpace
    searcher: Searcher
    trials: int
    history: History = field(default_factory=lambda: History([study_event()]))
    running: list[int] = field(default_factory=list)
    clock: int = 0

    def suggestions(self) -> Iterator[Config]:
        """Each suggestion, while the history is still the one that it was made from."""
        rng = random.Random(7)
        for number in range(self.trials):
            config = self.searcher.suggest(number, self.history)
            if config is None:
                return
            yield config
            self._tell({"event": "suggested", "trial": number, "config": config, "source": self.searcher.name})
            self.running.append(number)
            while len(self.running) == 4:
                self._one_report(rng)

    def _one_report(self, rng: random.Random) -> None:
        trial = self.history.trials[rng.choice(self.running)]
        if rng.random() < 0.05:
            self._tell(_failed(trial.number))
        else:
            self._tell(_reported(self.space, trial.number, trial.config, trial.epoch + 1))
            if trial.epoch == _MAX_EPOCHS:
                self._tell(_finished(trial.number))
            elif trial.epoch in _RUNGS:
                self._tell(_decided(trial.number, trial.epoch, rng.choice(["continue", "pause", "stop"])))
        if trial.state in ("paused", "stopped", "finished", "failed"):
            self.running.remove(trial.number)
            self._promote(rng)

    def _promote(self, rng: random.Random) -> None:
        paused = [trial for trial in self.history.trials if trial.state == "paused"]
        if paused and rng.random() < 0.5:
            trial = rng.choice(paused)
            self._tell(_decided(trial.number, trial.epoch, "resume"))
            self.running.append(trial.number)

    def _tell(self, event: Event) -> None:
        """Several events share a time, as on a virtual clock."""
        self.clock += 1
        self.history.apply({"time": float(self.clock // 4), **event})


def _events(space: SearchSpace, number: int, config: Config, source: str, ending: str) -> list[Event]:
    """A trial's events from its suggestion to its ending."""
    events: list[Event] = [{"event": "suggested", "trial": number, "config": config, "source": source}]
    if ending == "failed":
        return [*events, _failed(number)]
    last = _MAX_EPOCHS if ending == "finished" else 3
    events += [_reported(space, number, config, epoch) for epoch in range(1, last + 1)]
    if ending == "finished":
        events.append(_finished(number))
    elif ending != "running":
        events.append(_decided(number, last, {"stopped": "stop", "paused": "pause"}[ending]))
    return events


def _reported(space: SearchSpace, number: int, config: Config, epoch: int) -> Event:
    """A report with a value that falls to a floor which the configuration decides."""
    floor = float(np.mean((space.to_unit(config) - 0.3) ** 2))
    return {"event": "reported", "trial": number, "epoch": epoch, "metrics": {"val_loss": floor + 1 / epoch}}


def _finished(number: int) -> Event:
    return {"event": "finished", "trial": number, "value": 0.0}


def _failed(number: int) -> Event:
    return {"event": "failed", "trial": number, "kind": "nan", "cause": "nan", "attempt": 1, "retry": False}


def _decided(number: int, epoch: int, decision: str) -> Event:
    return {"event": "decided", "trial": number, "epoch": epoch, "decision": decision, "why": "contract"}


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
