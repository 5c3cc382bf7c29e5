"""Ray Tune: its asynchronous successive halving, with random configurations or its HyperOpt searcher."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np

from search_race.axes import Axes, Axis
from search_race.loop import Job


class RayASHA:
    """Ray Tune's ``ASHAScheduler``, told of trials as its controller tells it, with a searcher.

    ``random`` draws from the search space as Ray's own variant generator does; ``hyperopt`` is Ray's
    ``HyperOptSearch``, which gets a stopped trial's last loss as its result.
    """

    def __init__(self, axes: Axes, epochs: int, seed: int, slots: int, searcher: str) -> None:
        from ray.tune.schedulers import AsyncHyperBandScheduler

        self._axes, self._epochs = axes, epochs
        self._scheduler = AsyncHyperBandScheduler(metric="loss", mode="min", max_t=epochs, reduction_factor=3)
        self._searcher = _Random(axes, seed) if searcher == "random" else _hyperopt(axes, seed)
        self._numbers = itertools.count()
        self._trials: dict[int, Any] = {}

    def next(self, now: float) -> Job | None:
        """Have the searcher suggest, and the scheduler know."""
        number = next(self._numbers)
        told = self._searcher.suggest(str(number))
        if told is None:
            return None
        self._trials[number] = SimpleNamespace(trial_id=str(number))
        self._scheduler.on_trial_add(None, self._trials[number])
        return Job(number, self._axes.config(told), 0, self._epochs)

    def report(self, trial: int, epoch: int, loss: float, now: float) -> bool:
        """Report to the scheduler, then to the searcher."""
        result = {"loss": loss, "training_iteration": epoch}
        if self._scheduler.on_trial_result(None, self._trials[trial], result) == "CONTINUE":
            self._searcher.on_trial_result(str(trial), result)
            return True
        self._scheduler.on_trial_complete(None, self._trials.pop(trial), result)
        self._searcher.on_trial_complete(str(trial), result)
        return False


class _Random:
    """Random configurations, in the form of a Ray searcher."""

    def __init__(self, axes: Axes, seed: int) -> None:
        self._domains = {axis.key: domain(axis) for axis in axes}
        self._rng = np.random.RandomState(seed)

    def suggest(self, trial: str) -> dict[str, Any]:
        return {key: each.sample(random_state=self._rng) for key, each in self._domains.items()}

    def on_trial_result(self, trial: str, result: dict[str, Any]) -> None:
        """Nothing is learnt."""

    on_trial_complete = on_trial_result


def _hyperopt(axes: Axes, seed: int) -> Any:
    from ray.tune.search.hyperopt import HyperOptSearch

    searcher = HyperOptSearch(random_state_seed=seed)
    searcher.set_search_properties("loss", "min", {axis.key: domain(axis) for axis in axes})
    return searcher


def domain(axis: Axis) -> Any:
    """The axis as a Ray Tune domain, whose whole numbers exclude their upper bound."""
    from ray import tune

    if axis.kind == "category":
        return tune.choice(axis.labels)
    low, high = axis.bounds
    if axis.kind == "real":
        return (tune.loguniform if axis.log else tune.uniform)(low, high)
    return (tune.lograndint if axis.log else tune.randint)(int(low), int(high) + 1)
