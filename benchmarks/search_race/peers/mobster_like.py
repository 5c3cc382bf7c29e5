"""Asynchronous successive halving with a Gaussian process, after MOBSTER (Klein et al. 2020, arXiv:2003.10865).

Syne Tune dropped MOBSTER after 0.13, which takes minutes a race; this is its idea in a few lines on scikit-learn.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from raise_hpo.history import Config, History
from raise_hpo.search import Searcher
from raise_hpo.space import SearchSpace
from raise_hpo.space.encode import Encoder
from search_race.axes import Axes
from search_race.ours import ASHA, Ours

Array = NDArray[np.float64]

MOST_ROWS = 250
CANDIDATES = 500
RANDOM_SHARE = 0.1


class MobsterLike(Ours):
    """Our core and our ASHA, with the searcher below."""

    def __init__(self, axes: Axes, epochs: int, seed: int, slots: int) -> None:
        super().__init__(axes.space, epochs, seed, slots, {"searcher": "random", "scheduler": ASHA})
        self._core.searcher = RungProcess(axes.space, seed, (*self._core.scheduler.rungs, epochs))


class RungProcess(Searcher):
    """A Gaussian process over the losses at the highest rung that twice as many trials as dimensions have reached.

    New configurations maximise the expected improvement; running ones count with the loss that is expected of them.
    The kernel's length scales are fitted anew whenever the rung has grown by a sixth.
    """

    name = "random"

    def __init__(self, space: SearchSpace, seed: int, rungs: tuple[int, ...]) -> None:
        super().__init__(space, seed)
        self.rungs = rungs
        self._encoder = Encoder(space)
        self._kernel: Any = None
        self._fitted = (0, 0)

    def suggest(self, trial: int, history: History) -> Config:
        """The candidate with the largest expected improvement; a random one at first, and now and then."""
        rng = self.rng(trial)
        rung, reached = self._highest_rung(history)
        if len(reached) < 2 * len(self.space) or rng.random() < RANDOM_SHARE:
            return self.space.sample(rng)
        configs, losses = self._rows([(record.config, record.values[rung]) for record in reached])
        x, y = self._encoder.encode(configs), _normal(losses)
        process = self._process(x, y, rung, len(reached))
        running = [record.config for record in history.trials[-200:] if record.state == "running"]
        if running:
            pending = self._encoder.encode(running)
            x, y = np.vstack([x, pending]), np.concatenate([y, process.predict(pending)])
            process = _conditioned(self._kernel, x, y)
        candidates = self._candidates(configs, losses, rng)
        mean, deviation = process.predict(self._encoder.encode(candidates), return_std=True)
        return candidates[int(np.argmax(_improvement(mean, deviation, y.min())))]

    def _highest_rung(self, history: History) -> tuple[int, list[Any]]:
        for rung in reversed(self.rungs):
            reached = [record for record in history.trials if rung in record.values]
            if len(reached) >= 2 * len(self.space):
                return rung, reached
        return 0, []

    def _rows(self, rows: list[tuple[Config, float]]) -> tuple[list[Config], Array]:
        """The rows, best first; of too many the better half and the latest of the others."""
        kept = sorted(rows, key=lambda row: row[1])[: MOST_ROWS // 2]
        bound = kept[-1][1]
        kept += [row for row in rows if row[1] > bound][-(MOST_ROWS - len(kept)) :]
        return [config for config, _ in kept], np.array([loss for _, loss in kept])

    def _process(self, x: Array, y: Array, rung: int, count: int) -> Any:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        if self._kernel is None or self._fitted[0] != rung or count >= 7 / 6 * self._fitted[1]:
            shape = Matern(np.full(x.shape[1], 0.5), (0.05, 20.0), nu=2.5)
            kernel = ConstantKernel(1.0, (0.05, 20.0)) * shape + WhiteKernel(0.05, (1e-4, 2.0))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._kernel = GaussianProcessRegressor(self._kernel or kernel).fit(x, y).kernel_
            self._fitted = rung, count
        return _conditioned(self._kernel, x, y)

    def _candidates(self, configs: list[Config], losses: Array, rng: np.random.Generator) -> list[Config]:
        """Random configurations, and neighbours of the five best."""
        random = rng.random((CANDIDATES * 2 // 3, len(self.space)))
        best = np.array([self.space.to_unit(configs[row]) for row in np.argsort(losses)[:5]])
        near = best[rng.integers(len(best), size=CANDIDATES // 3)]
        near = np.clip(near + 0.08 * rng.normal(size=near.shape), 0.0, 1.0)
        return [self.space.from_unit(point) for point in np.vstack([random, near])]


def _conditioned(kernel: Any, x: Array, y: Array) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor

    return GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)


def _normal(losses: Array) -> Array:
    """The losses on a scale that tells good ones apart: logarithmic above the best, the worst cut off."""
    best, middle = losses.min(), np.median(losses)
    spread = max(middle - best, 1e-12)
    logs = np.log(np.minimum(losses - best, 3 * spread) / spread + 0.05)
    return np.asarray((logs - logs.mean()) / (logs.std() + 1e-12))


def _improvement(mean: Array, deviation: Array, best: float) -> Array:
    score = (best - mean) / (deviation + 1e-12)
    return np.asarray(deviation * (score * norm.cdf(score) + norm.pdf(score)))
