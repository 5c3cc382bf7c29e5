"""BOHB's searcher: a tree of Parzen estimators on the largest budget that has enough observations."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import Config, History, Trial
from raise_hpo.search.base import Searcher
from raise_hpo.search.kde import KernelDensity
from raise_hpo.search.outcomes import Codes
from raise_hpo.space import Choices, SearchSpace

Array = NDArray[np.float64]
_TINY = 1e-32
_BELOW_ONE = np.nextafter(1.0, 0.0)


class BohbSearcher(Searcher):
    """The multi-fidelity tree of Parzen estimators of BOHB (Falkner, Klein & Hutter, ICML 2018, arXiv:1807.01774).

    At the largest epoch that enough trials have reached, a density is fitted to the good configurations and one to the
    others; of some candidates, drawn around good ones with wider kernels, that with the largest ratio is proposed. A
    fixed share is random. The epochs looked at are the scheduler's rungs and the last epoch, or with a scheduler that
    has no rungs all epochs. The defaults, and what is not said in the paper, are those of the authors' HpBandSter:
    an inactive dimension takes its value from a random other trial of the same group, and a failed trial counts
    with an infinite loss at the rung that it did not reach. Other than there, enough of the observations
    must be finite for an epoch to be looked at, and a bandwidth of categories never favours the other categories.

    Args:
        space: The search space.
        seed: The study's seed.
        min_points: Observations that each density needs; at least, and by default, the number of dimensions + 1.
        top_percent: Per cent of the observations that count as good.
        samples: Candidates a suggestion.
        random_fraction: Share of suggestions that are random.
        bandwidth_factor: How much wider the kernels are from which candidates are drawn.
        min_bandwidth: Lower limit of the kernels' widths, so that the densities keep some width.
    """

    name = "bohb"

    def __init__(
        self, space: SearchSpace, seed: int, min_points: int | None = None, top_percent: float = 15,
        samples: int = 64, random_fraction: float = 1 / 3, bandwidth_factor: float = 3, min_bandwidth: float = 1e-3,
    ) -> None:  # fmt: skip
        super().__init__(space, seed)
        self._min_points = max(min_points or 0, len(space) + 1)
        self._top_percent = top_percent
        self._samples = samples
        self._random_fraction = random_fraction
        self._bandwidth_factor = bandwidth_factor
        self._min_bandwidth = min_bandwidth
        self._codes = Codes(space, self._code)
        dimensions = space.dimensions.values()
        self._levels = np.array([len(each.values) if isinstance(each, Choices) else 0 for each in dimensions])

    def suggest(self, trial: int, history: History) -> Config | None:
        """A random configuration, or the best of some candidates by the ratio of the densities."""
        rng = self.rng(trial)
        observed = self.observations(history)
        if observed is None or rng.random() < self._random_fraction:
            return self.space.sample(rng)
        _, codes, losses = observed
        good, bad = self.densities(codes, losses, rng)
        candidates = good.draw(self._samples, self._bandwidth_factor, rng)
        order = iter(np.argsort(ratio(bad, good, candidates), kind="stable"))
        return self.allowed(trial, lambda: self._config(candidates[next(order)]), self._samples)

    def observations(self, history: History) -> tuple[int, Array, Array] | None:
        """The largest epoch with enough observations, their codes, shape (n, dimensions), and losses; None if none."""
        epochs = sorted({*self.rungs, history.max_epochs} if self.rungs else {epoch for _, epoch in history.reports})
        known = [(trial, code) for trial in history.trials if (code := self._codes(trial)) is not None]
        for before, epoch in reversed(list(pairwise([0, *epochs]))):
            seen = [(code, self._loss(trial, before, epoch, history)) for trial, code in known]
            losses = np.array([loss for _, loss in seen if loss is not None])
            if len(losses) >= 2 * self._min_points and np.isfinite(losses).sum() >= self._min_points:
                return epoch, np.array([code for code, loss in seen if loss is not None]), losses
        return None

    def _loss(self, trial: Trial, before: int, epoch: int, history: History) -> float | None:
        """A trial's loss at an epoch; infinite where it failed on its way there from the rung before."""
        if epoch in trial.values:
            return history.loss(trial.values[epoch])
        on_its_way = trial.epoch < epoch and (trial.epoch >= before or not self.rungs)
        return np.inf if trial.state == "failed" and on_its_way else None

    def densities(self, codes: Array, losses: Array, rng: np.random.Generator) -> tuple[KernelDensity, KernelDensity]:
        """Of the good observations and of the others."""
        order = np.argsort(losses, kind="stable")
        count = max(self._min_points, int(self._top_percent * len(losses) / 100))
        groups = (self._filled(codes[order[:count]], rng), self._filled(codes[order[count:]], rng))
        good, bad = (KernelDensity(group, self._levels, self._min_bandwidth) for group in groups)
        return good, bad

    def _filled(self, codes: Array, rng: np.random.Generator) -> Array:
        """Put values in place of the missing ones: those of a random row that has the first of them, else any."""
        filled = codes.copy()
        for row in filled:
            while len(missing := np.flatnonzero(np.isnan(row))):
                first = missing[0]
                having = np.flatnonzero(np.isfinite(codes[:, first]))
                if len(having):
                    row[missing] = codes[rng.choice(having), missing]
                else:
                    row[first] = rng.integers(self._levels[first]) if self._levels[first] else rng.random()
        return filled

    def _code(self, config: Config) -> tuple[float, ...]:
        """Categories' numbers and the others' places in the unit interval; NaN where inactive."""
        return tuple(
            (float(each.index(config[name])) if isinstance(each, Choices) else each.to_unit(config[name]))
            if name in config
            else np.nan
            for name, each in self.space.dimensions.items()
        )

    def _config(self, code: Array) -> Config:
        return self.space.only_active(
            {
                name: each.grid(1)[int(value)] if isinstance(each, Choices) else each.from_unit(min(value, _BELOW_ONE))
                for (name, each), value in zip(self.space.dimensions.items(), code, strict=True)
            }
        )


def ratio(bad: KernelDensity, good: KernelDensity, codes: Array) -> Array:
    """How much more likely each code is among the others than among the good ones, both kept off zero."""
    ratios: Array = np.maximum(bad.pdf(codes), _TINY) / np.maximum(good.pdf(codes), _TINY)
    return ratios
