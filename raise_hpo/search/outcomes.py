"""What trials have shown so far, for searchers that learn from which trial is better than which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import ENDED, Config, History, Trial
from raise_hpo.space import SearchSpace

Code = TypeVar("Code")
State = TypeVar("State")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Outcome(Generic[Code]):
    """A trial's last result that can be compared with others'.

    Attributes:
        code: The configuration in the searcher's own form.
        epoch: The epoch of the result; 0 for a trial that failed.
        loss: The loss there, smaller is better; infinite for a trial that failed.
    """

    code: Code
    epoch: int
    loss: float

    @property
    def standing(self) -> tuple[int, float]:
        """Smaller is better: whom the scheduler let train further is ahead, then the smaller loss; failures are last.

        So losses of different epochs are never compared, and values of any scale do no harm.
        """
        return (-self.epoch, self.loss)


class Codes(Generic[Code]):
    """Configurations in a searcher's own form, worked out once each; None for one outside the search space.

    Args:
        space: The search space; the default configuration may lie outside.
        encode: Turns a configuration of the space into its code.
    """

    def __init__(self, space: SearchSpace, encode: Callable[[Config], Code]) -> None:
        self._space = space
        self._encode = encode
        self._kept: dict[int, tuple[Config, Code | None]] = {}

    def __call__(self, trial: Trial) -> Code | None:
        """The code of a trial's configuration."""
        config, code = self._kept.get(trial.number, (None, None))
        if config is not trial.config:
            code = self._encode(trial.config) if self._space.contains(trial.config) else None
            self._kept[trial.number] = (trial.config, code)
        return code


def outcomes(history: History, rungs: Sequence[int], codes: Codes[Code]) -> list[Outcome[Code]]:
    """The outcomes of all trials that have one, in the order in which they first had.

    A trial has one from its first rung on, or when it has ended or paused. While it trains, that of its last rung
    counts, so that losses are compared at the same epochs.
    """
    levels = sorted({*rungs, history.max_epochs})
    found = []
    for trial in history.trials:
        code = codes(trial)
        measured = _measured(trial, levels) if code is not None else None
        if code is not None and measured is not None:
            since, epoch = measured
            loss = history.loss(trial.values[epoch]) if epoch else np.inf
            found.append((since, trial.number, Outcome(code, epoch, loss)))
    return [outcome for _, _, outcome in sorted(found, key=lambda each: each[:2])]


def ranks(standings: Sequence[tuple[int, float]]) -> NDArray[np.int64]:
    """Each standing's rank among them, 0 for the best; of equal ones the earlier is ahead."""
    order = sorted(range(len(standings)), key=standings.__getitem__)
    ranked = np.empty(len(standings), dtype=np.int64)
    ranked[order] = np.arange(len(standings))
    return ranked


def _measured(trial: Trial, levels: Sequence[int]) -> tuple[float, int] | None:
    """Since when a trial has an outcome, and at which epoch it is; 0 for a failure."""
    reached = [level for level in levels if level in trial.values]
    if trial.state == "failed":
        broken = trial.stays[-1].ended if trial.stays else trial.suggested_at
        return (trial.times[reached[0]] if reached else broken), 0
    if trial.epoch and (trial.state in ENDED or trial.state == "paused"):
        return trial.times[reached[0] if reached else trial.epoch], trial.epoch
    return (trial.times[reached[0]], reached[-1]) if reached else None


class Fold(Generic[State, Item]):
    """A state that items are folded into one by one, kept from call to call while earlier items stay the same.

    The state returned is the same as when folding all items anew; keeping it saves time only.

    Args:
        start: Makes the state before the first item.
        step: Takes one item into a state.
    """

    def __init__(self, start: Callable[[], State], step: Callable[[State, Item], None]) -> None:
        self._start = start
        self._step = step
        self._kept: tuple[State, list[Item]] | None = None

    def __call__(self, items: Sequence[Item]) -> State:
        """The state after all items; only those that are new are folded if the others are those of the last call."""
        if self._kept is None or self._kept[1] != list(items[: len(self._kept[1])]):
            self._kept = (self._start(), [])
        state, done = self._kept
        for item in items[len(done) :]:
            self._step(state, item)
            done.append(item)
        return state
