"""Whether an earlier study says which configurations do well in this one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import Config
from raise_hpo.predict.guard import rank_correlation
from raise_hpo.search.moved import moved
from raise_hpo.space import SearchSpace
from raise_hpo.space.encode import Encoder

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable
    from raise_hpo.search.surface import Surface

Array = NDArray[np.float64]

FEWEST = 4
"""Trials of this study below which an earlier one is not judged."""
_MOST = 30
"""Trials of this study that an earlier one is judged by; later ones no longer count."""
_TRAININGS = (8, 250)
"""Trainings of the earlier study below which nothing is said, and how many are looked at, evenly over the table."""
_NOISE = 0.1
"""Share of the variance of the ranks by which two trainings of one configuration may differ."""


class Transfer:
    """Compares this study's trials with what an earlier study's trainings say of their configurations.

    A Gaussian process over the earlier configurations, in the dimensions that both studies have, is fitted to the ranks
    of their losses at the epoch at which this study's trials are compared. Ranks, because data sets differ in the scale
    of their losses, and a diverged training should count as the worst and no more.

    Args:
        table: The earlier study's learning curves.
        space: This study's search space.
        default: This study's default configuration, for what the earlier study did not have.
        epoch: The epoch at which trials are compared.
    """

    def __init__(self, table: CurveTable, space: SearchSpace, default: Config, epoch: int) -> None:
        self._encoder = Encoder(space)
        self._surface: Surface | None = None
        self._expected: list[float] = []
        self._evidence = 0.0
        losses = table.losses[:, min(epoch, table.epochs) - 1]
        rows = [(moved(table.configs[row], space, default), losses[row]) for row in _thinned(~np.isnan(losses))]
        known = [(config, loss) for config, loss in rows if config is not None]
        if len(known) >= _TRAININGS[0]:
            units = self._encoder.encode(config for config, _ in known)
            self._common = np.ptp(units, axis=0) > 0
            self._surface = _surface(units[:, self._common], [loss for _, loss in known])

    def evidence(self, trials: Sequence[tuple[Config, float]]) -> float:
        """How surely the earlier study orders this one's trials rightly (above 0) or wrongly (below 0).

        The rank correlation of their losses with the expected ones, in standard deviations of a correlation by chance;
        0 while there are too few of either. Only the first 30 trials count.

        Args:
            trials: This study's trials, configuration and loss, in a fixed order to which new ones are appended.
        """
        trials = trials[:_MOST]
        if self._surface is not None and len(trials) >= FEWEST and len(trials) > len(self._expected):
            self._expected += self._expect([config for config, _ in trials[len(self._expected) :]], self._surface)
            losses = np.array([loss for _, loss in trials])
            self._evidence = math.sqrt(len(trials) - 1) * rank_correlation(np.array(self._expected), losses)
        return self._evidence

    def _expect(self, configs: Sequence[Config], surface: Surface) -> list[float]:
        """The ranks that configurations should have among the earlier ones."""
        found: list[float] = surface.at(self._encoder.encode(configs)[:, self._common]).mean.tolist()
        return found


def _thinned(there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows that are there, at most so many of them."""
    rows = np.flatnonzero(there)
    most = _TRAININGS[1]
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)] if len(rows) > most else rows


def _surface(units: Array, losses: Sequence[float]) -> Surface | None:
    """The process; None if the configurations or their losses are all the same."""
    from scipy.stats import rankdata

    from raise_hpo.search.surface import Surface

    ranks = rankdata(losses)
    return Surface(units, ranks, np.full(len(ranks), _NOISE * ranks.var())) if units.size and np.ptp(ranks) else None
