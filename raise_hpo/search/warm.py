"""What a study begins with after earlier ones: their best configurations, moved into this study's search space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from raise_hpo.history import Config, History, Trial
from raise_hpo.search.moved import moved
from raise_hpo.search.transfer import FEWEST, Transfer
from raise_hpo.space import SearchSpace, config_key

if TYPE_CHECKING:
    from raise_hpo.curves import CurveTable

SOURCE = "warm_start"
"""The source of a trial that is an earlier study's configuration."""

_A_STUDY = 3
_IN_ALL = 5
_SURE = 1.5
"""Evidence, in standard deviations, from which on an earlier study is taken to be helpful, or misleading."""
_UNSURE = 10
"""Of so many trials one may be of an earlier study that is neither."""
_AMONG = 1 / 3
_SHARE = 0.1


class WarmStart:
    """Offers the best configurations of earlier studies that prove to know which configurations do well here.

    An earlier study is judged by this study's first trials of other sources at the first rung (`Transfer`). The best
    configuration of one that proves helpful is offered at once; of one that proves misleading, none. While neither is
    known, one trial in ten may be such a configuration, so that a misleading study costs no more. A study's next one
    follows only if the one before was, at the first rung, among the best third of the others there. No configuration is
    tried twice. What is offered depends on the history alone.

    Args:
        earlier: The earlier studies' learning curves.
        space: This study's search space.
        default: This study's default configuration, for what an earlier study did not have.
        rungs: The epochs at which this study's trials are compared.
        max_epochs: The last epoch of this study's trials.
    """

    def __init__(
        self, earlier: Sequence[CurveTable], space: SearchSpace, default: Config | None, rungs: Sequence[int],
        max_epochs: int,
    ) -> None:  # fmt: skip
        self._epoch = min(rungs, default=max(1, round(_SHARE * max_epochs)))
        self._studies = [
            (best_of(table, space, default), Transfer(table, space, default or {}, self._epoch)) for table in earlier
        ]
        self._space = space
        self._tried: dict[str, int] = {}
        self._offered = 0
        self._own: list[tuple[Config, float]] = []
        self._at_rung: dict[int, tuple[float, int]] = {}
        self._read = (0, 0)

    def next(self, history: History) -> Config | None:
        """The configuration that the next trial should have, or None if the searcher should propose one."""
        if not self._studies:
            return None
        self._read_on(history)
        if self._offered == _IN_ALL:
            return None
        for place in range(_A_STUDY):
            for best, transfer in self._studies:
                if place < len(best) and self._is_due(best, place, transfer):
                    return dict(best[place])
        return None

    def _read_on(self, history: History) -> None:
        """Note what was tried and reported since."""
        trials, reports = self._read
        for trial in history.trials[trials:]:
            self._tried.setdefault(config_key(trial.config), trial.number)
            self._offered += trial.source == SOURCE
        for number, epoch in history.reports[reports:]:
            if epoch == self._epoch:
                self._note(history.trials[number], history.loss(history.trials[number].values[epoch]))
        self._read = len(history.trials), len(history.reports)

    def _note(self, trial: Trial, loss: float) -> None:
        """Note a trial's loss at the first rung, and how many of other sources came there before."""
        self._at_rung[trial.number] = loss, len(self._own)
        if trial.source != SOURCE and trial.parent is None and self._space.contains(trial.config):
            self._own.append((trial.config, loss))

    def _is_due(self, best: Sequence[Config], place: int, transfer: Transfer) -> bool:
        if config_key(best[place]) in self._tried:
            return False
        evidence = transfer.evidence(self._own)
        if place == 0:
            return evidence >= _SURE or (evidence > -_SURE and self._may_be_unsure())
        before = self._tried.get(config_key(best[place - 1]))
        return evidence > -_SURE and before is not None and self._did_well(before)

    def _may_be_unsure(self) -> bool:
        trials, _ = self._read
        return _UNSURE * (self._offered + 1) <= trials + 1

    def _did_well(self, number: int) -> bool:
        """Whether a trial is in the best third of those that came to the first rung before it, or of the first few."""
        loss, before = self._at_rung.get(number, (math.inf, 0))
        others = [other for _, other in self._own[: max(before, FEWEST)]]
        return len(others) >= FEWEST and sum(other < loss for other in others) < _AMONG * len(others)


def best_of(table: CurveTable, space: SearchSpace, default: Config | None = None) -> list[Config]:
    """The best few configurations of an earlier study, best first, moved into a search space, no two the same.

    Those of the trials that went furthest come first, by their last losses. Values that the space does not have become
    the nearest that it has; dimensions that the earlier study did not have are those of the default configuration, else
    the middle of their range. What is forbidden here is left out.
    """
    lengths = np.isfinite(table.losses).sum(axis=1)
    best: dict[str, Config] = {}
    for row in np.lexsort((_last(table), -lengths)):
        here = None if np.isinf(table.losses[row]).any() else moved(table.configs[row], space, default or {})
        if here is not None:
            best.setdefault(config_key(here), here)
        if len(best) == _A_STUDY:
            break
    return list(best.values())


def _last(table: CurveTable) -> list[float]:
    """Each row's last finite loss."""
    return [float(row[np.isfinite(row)][-1]) if np.isfinite(row).any() else np.inf for row in table.losses]
