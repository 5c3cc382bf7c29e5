"""SMAC3: its multi-fidelity facade, a random forest with successive halving brackets."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from search_race.axes import Axes
from search_race.loop import Job
from search_race.peers.config_space import config_space


class Smac:
    """SMAC asked and told.

    It is told a configuration's last loss at its budget. A configuration that it asks for again with a larger budget is
    trained on from where it was.
    """

    def __init__(self, axes: Axes, epochs: int, seed: int, slots: int) -> None:
        from smac import MultiFidelityFacade, Scenario

        logging.getLogger("smac").setLevel(logging.ERROR)
        self._axes = axes
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            config_space(axes, seed), deterministic=True, n_trials=10**6, min_budget=1, max_budget=epochs, seed=seed,
            output_directory=self._folder.name,
        )  # fmt: skip
        self._facade = MultiFidelityFacade(scenario, _not_called, overwrite=True, logging_level=False)
        self._asked: dict[int, Any] = {}
        self._numbers: dict[Any, int] = {}
        self._done: dict[int, int] = {}

    def next(self, now: float) -> Job | None:
        """Ask for a configuration and its budget."""
        asked = self._facade.ask()
        number = self._numbers.setdefault(asked.config, len(self._numbers))
        self._asked[number] = asked
        until = max(1, round(asked.budget))
        return Job(number, self._axes.config(dict(asked.config)), self._done.get(number, 0), until)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Tell, once the budget is reached."""
        from smac.runhistory.dataclasses import TrialValue

        asked = self._asked[trial]
        if epoch < round(asked.budget):
            return True
        self._done[trial] = epoch
        self._facade.tell(asked, TrialValue(cost=loss))
        return False


def _not_called(config: Any, seed: int = 0, budget: float = 1) -> float:
    raise AssertionError("configurations are asked for and told, never run by SMAC")
