"""The curves that a stopper learns from: this study's, and those of earlier studies on this study's scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raise_hpo.history import History, Trial
from raise_hpo.predict.base import Floats
from raise_hpo.space.encode import Encoder

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable
    from raise_hpo.space import SearchSpace

_FEWEST_OWN = 6
_ALIKE = 0.05


@dataclass(frozen=True)
class Curves:
    """Trials with their losses up to an epoch, this study's first.

    Attributes:
        units: Encoded configurations, shape ``(trials, width)``.
        losses: Shape ``(trials, epochs)``.
        own: How many are this study's.
    """

    units: Floats
    losses: Floats
    own: int

    def __len__(self) -> int:
        return len(self.losses)


class Gatherer:
    """Gathers training curves in a way that depends on the history's first reports only.

    Args:
        space: The study's search space.
        earlier: Other studies' curves.
    """

    def __init__(self, space: SearchSpace, earlier: Sequence[CurveTable]) -> None:
        self._encoder = Encoder(space)
        self._space = space
        self._earlier = [
            (self._encoder.encode([self._common(c) for c in table.configs], partial=True), table) for table in earlier
        ]
        self._reached: dict[int, list[int]] = {}
        self._read = 0

    def reached(self, history: History, epoch: int) -> list[int]:
        """The trials that have reported an epoch, in the order in which they did."""
        if self._read > len(history.reports):
            self._reached, self._read = {}, 0
        for number, reported in history.reports[self._read :]:
            self._reached.setdefault(reported, []).append(number)
        self._read = len(history.reports)
        return self._reached.get(epoch, [])

    def encode(self, trial: Trial) -> Floats:
        """A trial's configuration, shape ``(1, width)``."""
        return self._encoder.encode([trial.config])

    def gather(self, history: History, trials: Sequence[int], known: int, rung: int, until: int) -> Curves | None:
        """Curves up to a rung; None while this study has too few to tell on which scale its losses are.

        Args:
            history: This study.
            trials: Its trials to learn from, which have reached the rung.
            known: The last known epoch.
            rung: The rung.
            until: How many of the first reports may be looked at to compare scales.
        """
        own = [history.trials[number] for number in trials]
        curves = [(trial, curve) for trial in own if (curve := losses_of(history, trial, rung)) is not None]
        parts = [(self._encoder.encode([trial.config for trial, _ in curves]), _stacked([c for _, c in curves], rung))]
        for units, table in self._earlier:
            ended = table.epochs >= rung and np.isfinite(table.losses[:, :rung]).all(axis=1)
            if np.any(ended):
                scale = self._scale(history, table, known, until)
                if scale is None:
                    return None
                parts.append((units[ended], scale[0] * table.losses[ended, :rung] + scale[1]))
        return Curves(np.vstack([p[0] for p in parts]), np.vstack([p[1] for p in parts]), len(curves))

    def _scale(self, history: History, table: CurveTable, known: int, until: int) -> tuple[float, float] | None:
        """Factor and offset that bring an earlier study's losses to this one's scale."""
        from scipy.stats import ks_2samp

        here, there = _at(history, 1, until), _finite(table.losses[:, 0])
        if len(here) < _FEWEST_OWN:
            return None
        if ks_2samp(here, there).pvalue > _ALIKE:
            return 1.0, 0.0
        now, then = _at(history, known, until), _finite(table.losses[:, known - 1])
        if len(now) < _FEWEST_OWN:
            return None
        # Only the better trials may have come as far here: compare them with as large a share of the others.
        share = (len(now) / len(here)) / (len(then) / len(there))
        then = np.sort(then)[: max(_FEWEST_OWN, round(min(1.0, share) * len(then)))]
        width = _spread(then)
        factor = _spread(now) / width if width > 0 else 1.0
        return factor, float(np.median(now) - factor * np.median(then))

    def _common(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What this study's space also has of a configuration, moved to its bounds; the rest counts as unknown."""
        common = {}
        for name, value in config.items():
            dimension = self._space.dimensions.get(name)
            if dimension is not None and (snapped := _snapped(dimension, value)) is not None:
                common[name] = snapped
        return common


def losses_of(history: History, trial: Trial, epochs: int) -> Floats | None:
    """A trial's losses from the first epoch on; None if it has not reported them all or one is not finite."""
    if trial.parent is not None or any(epoch not in trial.values for epoch in range(1, epochs + 1)):
        return None
    losses = np.array([history.loss(trial.values[epoch]) for epoch in range(1, epochs + 1)])
    return losses if np.isfinite(losses).all() else None


def _snapped(dimension: Any, value: Any) -> Any:
    try:
        snapped = dimension.snap(value)
        return snapped if dimension.contains(snapped) else None
    except (TypeError, ValueError):
        return None


def _at(history: History, epoch: int, until: int) -> Floats:
    """The losses at an epoch among the first reports."""
    numbers = [number for number, reported in history.reports[:until] if reported == epoch]
    return _finite(np.array([history.loss(history.trials[number].values[epoch]) for number in numbers]))


def _finite(losses: Floats) -> Floats:
    return losses[np.isfinite(losses)]


def _spread(losses: Floats) -> float:
    low, high = np.quantile(losses, [0.25, 0.75])
    return float(high - low)


def _stacked(curves: list[Floats], epochs: int) -> Floats:
    return np.array(curves).reshape(len(curves), epochs)
