"""What every searcher must keep."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from raise_hpo.history import Config, History
from raise_hpo.journal import Event
from raise_hpo.search import Searcher
from raise_hpo.space import SearchSpace

_SPACE = {
    "lr": "loguniform(1e-4, 1e-1)",
    "steps": "quniform(10, 200, 10)",
    "layers": "randint(1, 5)",
    "conv": "choice([gnn, attention])",
    "gnn.bin_size": {"choice": [16, 32, 64], "when": {"conv": "gnn"}},
    "heads": {"choice": [1, 2, 4], "when": {"conv": "attention"}},
    "forbidden": [{"conv": "attention", "layers": 4}],
}


def study_event(max_epochs: int = 9, mode: str = "min") -> Event:
    """The first event of a journal, with what a history needs of the study."""
    study = {"objective": {"metric": "val_loss", "mode": mode}, "max_epochs": max_epochs}
    return {"event": "study", "name": "contract", "study": study}


class SearcherContract(ABC):
    """Subclass, and return the searcher from `make`."""

    trials = 24

    @abstractmethod
    def make(self, space: SearchSpace, seed: int) -> Searcher:
        """The searcher under test."""

    def space(self) -> SearchSpace:
        """The search space of the checks: all kinds of dimensions, conditions and a forbidden pair."""
        return SearchSpace.parse(_SPACE)

    def test_suggestions_are_in_the_space(self) -> None:
        """Conditions, forbidden combinations, steps and bounds hold for every suggestion, whatever came before."""
        space = self.space()
        for config in self._sequence(self.make(space, 1), self.trials):
            space.check(config)

    def test_same_seed_same_sequence(self) -> None:
        """The seed decides the sequence."""
        first, second = (self._sequence(self.make(self.space(), 3), self.trials) for _ in range(2))
        assert first == second

    def test_a_suggestion_depends_on_the_history_alone(self) -> None:
        """A searcher made anew, as after a kill, suggests what the one that was there all the time suggests."""
        space = self.space()
        whole = self._sequence(self.make(space, 5), self.trials)
        history = _played(whole[:-1], self.make(space, 5).name)
        assert self.make(space, 5).suggest(len(whole) - 1, history) == whole[-1]

    def test_broken_trials_do_not_break_it(self) -> None:
        """A study of failures alone still gets suggestions."""
        space = self.space()
        searcher, history = self.make(space, 2), History([study_event()])
        for number in range(self.trials):
            config = searcher.suggest(number, history)
            if config is None:
                return
            space.check(config)
            for event in _ending(number, config, searcher.name, "failed"):
                history.apply(event)

    def test_values_are_plain(self) -> None:
        """Suggestions hold Python's own numbers and strings, which JSON and YAML keep."""
        for config in self._sequence(self.make(self.space(), 1), 5):
            assert {type(value) for value in config.values()} <= {int, float, str, bool}

    def _sequence(self, searcher: Searcher, trials: int) -> list[Config]:
        history, configs = History([study_event()]), []
        for number in range(trials):
            config = searcher.suggest(number, history)
            if config is None:
                break
            configs.append(config)
            for event in _ending(number, config, searcher.name):
                history.apply(event)
        return configs


def _played(configs: list[Config], name: str) -> History:
    history = History([study_event()])
    for number, config in enumerate(configs):
        for event in _ending(number, config, name):
            history.apply(event)
    return history


def _ending(number: int, config: Config, source: str, ending: str | None = None) -> list[Event]:
    """A trial's events: by turns finished, stopped, paused, failed or running, with a value from its configuration."""
    ending = ending or ("finished", "stopped", "finished", "paused", "failed", "running")[number % 6]
    value = float(np.log10(config["lr"]) ** 2 + config["layers"] / 10)
    events: list[Event] = [{"event": "suggested", "trial": number, "config": config, "source": source}]
    if ending == "failed":
        return [
            *events,
            {"event": "failed", "trial": number, "kind": "nan", "cause": "nan", "attempt": 1, "retry": False},
        ]
    last = 9 if ending == "finished" else 3
    for epoch in range(1, last + 1):
        metrics = {"val_loss": value + 1 / epoch}
        events.append({"event": "reported", "trial": number, "epoch": epoch, "metrics": metrics})
    if ending == "finished":
        events.append({"event": "finished", "trial": number, "value": value})
    elif ending in ("stopped", "paused"):
        action = {"stopped": "stop", "paused": "pause"}[ending]
        events.append({"event": "decided", "trial": number, "epoch": last, "decision": action, "why": "contract"})
    return events
