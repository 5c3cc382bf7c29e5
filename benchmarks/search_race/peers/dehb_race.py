"""DEHB: differential evolution with Hyperband."""

from __future__ import annotations

import tempfile
from typing import Any

from search_race.axes import Axes
from search_race.loop import Job
from search_race.peers.config_space import config_space


class Dehb:
    """DEHB asked and told.

    It is told a configuration's last loss at its fidelity. A configuration that it asks for again with a larger one is
    trained on from where it was.
    """

    def __init__(self, axes: Axes, epochs: int, seed: int, slots: int) -> None:
        from dehb import DEHB
        from loguru import logger

        self._axes = axes
        self._folder = tempfile.TemporaryDirectory()
        self._dehb = DEHB(
            f=None, cs=config_space(axes, seed), dimensions=len(axes), min_fidelity=1, max_fidelity=epochs, eta=3,
            n_workers=1, seed=seed, output_path=self._folder.name, log_level="ERROR", save_freq="end",
        )  # fmt: skip
        logger.remove()
        self._asked: dict[int, tuple[Any, int, str]] = {}
        self._done: dict[str, int] = {}

    def next(self, now: float) -> Job | None:
        """Ask for a configuration and its fidelity."""
        asked = self._dehb.ask()
        config = self._axes.config(dict(asked["config"]))
        number, until, key = len(self._asked), max(1, round(asked["fidelity"])), repr(config)
        self._asked[number] = asked, until, key
        done = self._done.get(key, 0)
        return Job(number, config, done if done < until else 0, until)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Tell, once the fidelity is reached."""
        asked, until, key = self._asked[trial]
        if epoch < until:
            return True
        self._done[key] = max(epoch, self._done.get(key, 0))
        self._dehb.tell(asked, {"fitness": loss, "cost": 1.0})
        return False
