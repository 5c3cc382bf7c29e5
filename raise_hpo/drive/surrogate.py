"""Learning curves for any configuration of a search space, made from a table of recorded ones.

The curves are made comparable first: capped, so that a diverged training does not rule the rest, and log-warped,
``log(loss - floor)``, as losses fall towards a floor. The smoothed curves' principal components are then modelled over
the configurations, each by a Gaussian process of its own with a Matérn-5/2 kernel and one length scale a column.
A predicted curve gets the wiggle of the nearest recorded one, as learning curves are not smooth. Trainings that were
stopped early are first continued as those went on, from the same epoch and a like loss, that did go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from raise_hpo.curves import CurveTable
from raise_hpo.drive.processes import Processes
from raise_hpo.errors import UserError
from raise_hpo.space import Config
from raise_hpo.space.dimensions import is_number
from raise_hpo.space.encode import Encoder

Array = NDArray[np.float64]

FEWEST_ROWS = 8
FEWEST_COMPLETE = 2
_COMPONENTS = 10
_SMOOTH_OVER = 7
_MOST_ROWS = 1000
_RANDOM_CONFIGS = 10_000


class Surrogate:
    """Gives any configuration of a table's search space a learning curve and a duration of its epochs.

    Args:
        table: The recorded curves. Rows that end early are continued; diverged ones are capped.
        kind: ``gp`` predicts, as above; ``nearest`` gives the nearest row's own curve.
        recorded: Give a configuration that is in the table its own recorded curve, as far as that goes, and its own
            seconds.
        seconds: Seconds per epoch of a configuration. By default a log-linear fit to the table's, 1 if it has none.

    Raises:
        UserError: There are fewer than eight rows, or fewer than two that were trained to the last epoch.
    """

    def __init__(
        self,
        table: CurveTable,
        kind: Literal["gp", "nearest"] = "gp",
        recorded: bool = False,
        seconds: Callable[[Config], float] | None = None,
    ) -> None:
        self.table = table
        self.kind = kind
        self.space = table.space
        self.encoder = Encoder(table.space)
        self._rows = _usable(table)
        self._known = ~np.isnan(self._rows.losses[:, -1])
        self._x = self.encoder.encode(self._rows.configs)
        self._warp = _Warp.of(self._rows.losses)
        self._warped = _continued(self._warp.warp(self._rows.losses))
        if kind == "gp":
            self._fit()
        self._seconds = seconds or _duration_model(table, self.encoder, recorded)
        self._recorded = _first_rows(table, table.losses) if recorded else {}
        self._curves: dict[Any, Array] = {}

    def _fit(self) -> None:
        smooth = _smoothed(self._warped)
        self._wiggle = self._warped - smooth
        self._mean = smooth.mean(axis=0)
        _, sizes, directions = np.linalg.svd(smooth - self._mean, full_matrices=False)
        count = max(1, int((sizes > 1e-6 * max(sizes[0], 1e-300)).sum()))
        self._directions = directions[: min(count, _COMPONENTS)]
        self._weights = (smooth - self._mean) @ self._directions.T
        self._model = Processes.fitted(self._x, self._weights)

    def curve(self, config: Config) -> Array:
        """The loss after each epoch, shape ``(epochs,)``; smaller is better.

        Raises:
            UserError: The configuration is not of the table's search space.
        """
        key = _key(config)
        if key not in self._curves:
            self._curves[key] = self._with_recorded(key, self.curves([config])[0])
        return self._curves[key]

    def curves(self, configs: list[Config]) -> Array:
        """The modelled losses of many configurations, shape ``(configs, epochs)``."""
        x = self.encoder.encode(configs)
        row = self._nearest(x)
        if self.kind == "nearest":
            return self._warp.unwarp(self._warped[row])
        return self._warp.unwarp(self._mean + self._model.predict(x) @ self._directions + self._wiggle[row])

    def seconds(self, config: Config) -> float:
        """Seconds per epoch."""
        return self._seconds(config)

    @cached_property
    def best(self) -> float:
        """The least loss of any configuration, found by many random ones and a local search from the best of them."""
        rng = np.random.default_rng(1)
        points, losses = self._sample
        order = np.argsort(losses)[:30]
        points, losses = points[order], losses[order]
        for width in 0.25 * 0.93 ** np.arange(60):
            step = width * rng.normal(size=points.shape) * (rng.random(points.shape) < 0.5)
            moved = np.clip(points + step, 0.0, 1.0)
            found = self._least(moved)
            better = found < losses
            points[better], losses[better] = moved[better], found[better]
        return float(losses.min())

    @cached_property
    def median(self) -> float:
        """The median over random configurations of the least loss of their curves."""
        losses = self._sample[1]
        return float(np.median(losses[np.isfinite(losses)]))

    def rank_correlation(self, folds: int = 5) -> float:
        """Spearman's rank correlation of predicted with recorded final losses, each configuration held out once.

        Trainings of the same configuration are held out together, and those that were stopped early are not asked
        about. The kernels' length scales are those of all rows. NaN where all predictions are alike.
        """
        from scipy.stats import spearmanr

        groups = np.random.default_rng(0).permutation(int(self._rows.groups.max()) + 1)[self._rows.groups]
        predicted = np.full(len(self._rows), np.nan)
        for fold in range(folds):
            held_out = groups % folds == fold
            if held_out.any() and not held_out.all():
                predicted[held_out] = self._final(self._x[held_out], ~held_out)
        asked = self._known & np.isfinite(predicted)
        if len(np.unique(predicted[asked])) < 2:
            return float("nan")
        return float(spearmanr(predicted[asked], self._warped[asked, -1]).statistic)

    def _final(self, x: Array, known: NDArray[np.bool_]) -> Array:
        """Final losses, warped, as predicted from some of the rows."""
        if self.kind == "nearest":
            row = np.flatnonzero(known)[_nearest_rows(x, self._x[known])]
            return np.asarray(self._warped[row, -1])
        model = self._model.conditioned_on(self._x[known], self._weights[known])
        return np.asarray(self._mean[-1] + model.predict(x) @ self._directions[:, -1])

    @cached_property
    def _sample(self) -> tuple[Array, Array]:
        """Points drawn at random and the least losses of their curves."""
        points = np.random.default_rng(0).random((_RANDOM_CONFIGS, len(self.space)))
        return points, self._least(points)

    def _least(self, points: Array) -> Array:
        """The least loss at each point of the unit cube; infinite where the configuration there is forbidden."""
        configs = [self.space.from_unit(point) for point in points]
        parts = [self.curves(configs[start : start + 500]).min(axis=1) for start in range(0, len(configs), 500)]
        forbidden = [self.space.is_forbidden(config) for config in configs] if self.space.forbidden else False
        return np.where(forbidden, np.inf, np.concatenate(parts))

    def _nearest(self, x: Array) -> NDArray[np.int64]:
        return _nearest_rows(x, self._x)

    def _with_recorded(self, key: Any, modelled: Array) -> Array:
        """The recorded curve, continued by the modelled one, which is shifted to meet it."""
        recorded = self._recorded.get(key)
        if recorded is None:
            return modelled
        known = int((~np.isnan(recorded)).sum())
        if known == len(recorded):
            return np.asarray(recorded)
        offset = self._warp.warp(recorded[known - 1]) - self._warp.warp(modelled[known - 1])
        rest = self._warp.unwarp(self._warp.warp(modelled[known:]) + offset)
        return np.concatenate([recorded[:known], rest])


@dataclass(frozen=True)
class _Warp:
    """The scale on which curves are modelled: ``log(min(loss, cap) - floor)``."""

    floor: float
    cap: float

    @classmethod
    def of(cls, losses: Array) -> _Warp:
        """The cap is above what 98 in 100 trainings begin with; the floor a little below the least loss."""
        finite = losses[np.isfinite(losses)]
        first = losses[:, 0][np.isfinite(losses[:, 0])]
        cap = max(np.quantile(first, 0.98) if len(first) else -np.inf, np.quantile(finite, 0.98))
        least, usual = finite.min(), np.nanmedian(np.minimum(losses[:, -1], cap))
        return cls(float(least - max(0.02 * (usual - least), 1e-9 * max(1.0, abs(least)))), float(cap))

    def capped(self, losses: Array) -> Array:
        return np.minimum(losses, self.cap)

    def warp(self, losses: Array) -> Array:
        return np.asarray(np.log(self.capped(losses) - self.floor))

    def unwarp(self, warped: Array) -> Array:
        return np.asarray(np.exp(warped) + self.floor)


def _usable(table: CurveTable) -> CurveTable:
    """The rows to model, a random thousand if there are more.

    Raises:
        UserError: There are too few.
    """
    rows = table.rows(np.asarray(~np.isnan(table.losses[:, 0])))
    complete = int(np.isfinite(rows.losses[:, -1]).sum())
    if len(rows) < FEWEST_ROWS or complete < FEWEST_COMPLETE:
        raise UserError(
            f"{table.name}: has {len(rows)} trainings, of which {complete} went to epoch {table.epochs}; learning "
            f"curves of other configurations need at least {FEWEST_ROWS}, of which {FEWEST_COMPLETE} did"
        )
    return rows.rows(np.sort(np.random.default_rng(0).permutation(len(rows))[:_MOST_ROWS]))


def _continued(warped: Array) -> Array:
    """Fill the ends of curves that were stopped, epoch by epoch, with the steps that others of a like loss took."""
    filled = warped.copy()
    for epoch in range(1, warped.shape[1]):
        ended, going = np.isnan(warped[:, epoch]), ~np.isnan(warped[:, epoch])
        before = filled[:, epoch - 1]
        width = before[going].std() + 1e-9
        weights = np.exp(-0.5 * ((before[ended, None] - before[None, going]) / width) ** 2) + 1e-9
        steps = (warped[:, epoch] - before)[going]
        filled[ended, epoch] = before[ended] + weights @ steps / weights.sum(axis=1)
    return filled


def _smoothed(curves: Array) -> Array:
    """Running medians."""
    half = _SMOOTH_OVER // 2
    epochs = curves.shape[1]
    parts = [np.median(curves[:, max(0, epoch - half) : epoch + half + 1], axis=1) for epoch in range(epochs)]
    return np.stack(parts, axis=1)


def _nearest_rows(x: Array, rows: Array) -> NDArray[np.int64]:
    squares = (x**2).sum(axis=1)[:, None] + (rows**2).sum(axis=1)[None] - 2 * x @ rows.T
    return np.asarray(squares.round(12).argmin(axis=1), dtype=np.int64)


def _duration_model(table: CurveTable, encoder: Encoder, recorded: bool) -> Callable[[Config], float]:
    """Seconds per epoch, log-linear in the configuration and never far outside what was measured."""
    if table.seconds is None:
        return lambda config: 1.0
    x = encoder.encode(table.configs)
    centre, logs = x.mean(axis=0), np.log(table.seconds)
    ridge = 1e-3 * len(x) * np.eye(x.shape[1])
    slopes = np.linalg.solve((x - centre).T @ (x - centre) + ridge, (x - centre).T @ (logs - logs.mean()))
    low, high = logs.min() - np.log(2), logs.max() + np.log(2)
    known: dict[Any, float] = _first_rows(table, table.seconds) if recorded else {}

    def seconds(config: Config) -> float:
        key = _key(config)
        if key not in known:
            told = logs.mean() + (encoder.encode([config])[0] - centre) @ slopes
            known[key] = float(np.exp(np.clip(told, low, high)))
        return known[key]

    return seconds


def _first_rows(table: CurveTable, values: Array) -> dict[Any, Any]:
    """For each configuration the value of its first row."""
    return {_key(config): value for config, value in reversed(list(zip(table.configs, values, strict=True)))}


def _key(config: Config) -> Any:
    """A configuration as the key of a dictionary: in any order of its names, and 64 is 64.0."""
    return tuple(sorted((name, repr(float(value) if is_number(value) else value)) for name, value in config.items()))
