"""What a study begins with after earlier ones: their best configurations, moved into this study's search space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from raise_hpo.history import Config, History
from raise_hpo.space import Choices, Dimension, SearchSpace
from raise_hpo.space.dimensions import is_number

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable

SOURCE = "warm_start"
"""The source of a trial that is an earlier study's configuration."""

_A_STUDY = 3
_IN_ALL = 5
_OTHERS = 4
_SHARE = 0.1


class WarmStart:
    """Offers the best configurations of earlier studies, and goes on with a study's while they do well here.

    The first of each study is offered at once. The next follow only if the one before, at the first rung, was better
    than the median of the first four trials of other sources to get there. So a misleading study costs one trial. What
    is offered depends on the history alone.

    Args:
        earlier: The earlier studies' learning curves.
        space: This study's search space.
        default: This study's default configuration; not offered, as it is tried anyhow.
        rungs: The epochs at which this study's trials are compared.
        max_epochs: The last epoch of this study's trials.
    """

    def __init__(
        self, earlier: Sequence[CurveTable], space: SearchSpace, default: Config | None, rungs: Sequence[int],
        max_epochs: int,
    ) -> None:  # fmt: skip
        self._chains = chains(earlier, space, default)
        self._epoch = min(rungs, default=max(1, round(_SHARE * max_epochs)))
        self._tried: dict[str, int] = {}
        self._seen = 0
        self._did_well: dict[int, bool] = {}

    def next(self, history: History) -> Config | None:
        """The configuration that the next trial should have, or None if the searcher should propose one."""
        if not self._chains or len(self._tried) == _IN_ALL:
            return None
        self._look(history)
        for place in range(_A_STUDY):
            for chain in self._chains:
                if place < len(chain) and self._is_due(chain, place, history):
                    return dict(chain[place])
        return None

    def _look(self, history: History) -> None:
        """Note what was tried."""
        for trial in history.trials[self._seen :]:
            if trial.source == SOURCE:
                self._tried[_key(trial.config)] = trial.number
        self._seen = len(history.trials)

    def _is_due(self, chain: Sequence[Config], place: int, history: History) -> bool:
        if _key(chain[place]) in self._tried or len(self._tried) == _IN_ALL:
            return False
        before = self._tried.get(_key(chain[place - 1])) if place else None
        return place == 0 or (before is not None and self._does_well(before, history))

    def _does_well(self, number: int, history: History) -> bool:
        """Whether a trial is among the better half; once it is known, it stays so."""
        if number not in self._did_well:
            trial, others = history.trials[number], self._others(history)
            if self._epoch not in trial.values or len(others) < _OTHERS:
                return False
            self._did_well[number] = history.loss(trial.values[self._epoch]) < median(others)
        return self._did_well[number]

    def _others(self, history: History) -> list[float]:
        """The losses of the first trials of other sources to report the epoch."""
        found: list[float] = []
        for number, epoch in history.reports:
            if epoch == self._epoch and history.trials[number].source != SOURCE:
                found.append(history.loss(history.trials[number].values[epoch]))
                if len(found) == _OTHERS:
                    break
        return found


def chains(earlier: Sequence[CurveTable], space: SearchSpace, default: Config | None = None) -> list[list[Config]]:
    """The best few configurations of each earlier study, best first, moved into this study's space, no two the same.

    Values that this space does not have become the nearest that it has; dimensions that the earlier study did not have
    are those of the default configuration, else the middle of their range. What is forbidden here is left out.
    """
    known = {_key(default)} if default is not None else set()
    found = []
    for table in earlier:
        chain = _best(table, space, default or {}, known)
        known |= {_key(config) for config in chain}
        found.append(chain)
    return [chain for chain in found if chain]


def _best(table: CurveTable, space: SearchSpace, default: Config, known: set[str]) -> list[Config]:
    """A study's best configurations in this space: of the trials that went furthest first, by their last losses."""
    lengths = np.isfinite(table.losses).sum(axis=1)
    best: dict[str, Config] = {}
    for row in np.lexsort((_last(table), -lengths)):
        moved = None if np.isinf(table.losses[row]).any() else _moved(table.configs[row], space, default)
        if moved is not None and _key(moved) not in known:
            best.setdefault(_key(moved), moved)
        if len(best) == _A_STUDY:
            break
    return list(best.values())


def _last(table: CurveTable) -> list[float]:
    """Each row's last finite loss."""
    return [float(row[np.isfinite(row)][-1]) if np.isfinite(row).any() else np.inf for row in table.losses]


def _moved(config: Config, space: SearchSpace, default: Config) -> Config | None:
    """A configuration of another space in this one; None if it is forbidden here."""
    moved: Config = {}
    for name, dimension in space.dimensions.items():
        if space.is_active(name, moved):
            moved[name] = _value(name, dimension, (config, default))
    return moved if space.contains(moved) else None


def _value(name: str, dimension: Dimension, sources: Sequence[Config]) -> Any:
    """The first source's value that the dimension has or can move into its range, else its middle."""
    for source in sources:
        if name in source:
            snapped = _snapped(dimension, source[name])
            if dimension.contains(snapped):
                return snapped
    return dimension.from_unit(0.5)


def _snapped(dimension: Dimension, value: Any) -> Any:
    """The dimension's nearest value where both are numbers, else the value itself."""
    if not is_number(value):
        return value
    if isinstance(dimension, Choices):
        return min(dimension.values, key=lambda own: abs(own - value)) if dimension.ascending else value
    return dimension.snap(value)


def _key(config: Config) -> str:
    return json.dumps(config, sort_keys=True)
