"""A policy over the search space, trained by reinforcement."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.search.outcomes import Codes, Fold, Outcome, outcomes
from raise_hpo.space import Choices, Dimension, SearchSpace, Value

Array = NDArray[np.float64]
Actions = tuple[int, ...]
_INACTIVE = -1


class RLSearcher(Searcher):
    """A policy trained by REINFORCE with a baseline (Williams, Mach. Learn. 8, 1992).

    The policy draws each dimension from a categorical distribution of its own: over its values, or over equal parts of
    its scale if it has many. After each trial the logarithm of the probability of what was drawn is raised by the
    trial's advantage: its reward less the running mean of rewards. A reward is the share of earlier trials that the
    trial beats, from -1 for none (as of a failed trial) to 1 for all, so that a loss's scale does not matter. The
    policy's entropy counts as a further reward, so that it does not settle early.

    Args:
        space: The search space.
        seed: The study's seed.
        bins: Parts of the scale of a dimension that has more values than this.
        learning_rate: Step of the logits for an advantage of 1.
        entropy: Weight of the policy's entropy.
        decay: Weight of the past in the baseline.
    """

    name = "rl"

    def __init__(
        self, space: SearchSpace, seed: int, bins: int = 8, learning_rate: float = 1.0, entropy: float = 0.05,
        decay: float = 0.9,
    ) -> None:  # fmt: skip
        super().__init__(space, seed)
        self._bins = bins
        self._learning_rate = learning_rate
        self._entropy = entropy
        self._decay = decay
        self._counts = [min(dimension.size or bins, self._most(dimension)) for dimension in space.dimensions.values()]
        self._codes = Codes(space, self._actions)
        self._fold: Fold[Policy, Outcome[Actions]] = Fold(self._start, self._learn)

    def suggest(self, trial: int, history: History) -> Config | None:
        """A draw from the policy as all outcomes so far have made it."""
        policy = self.policy(history)
        rng = self.rng(trial)
        return self.allowed(trial, lambda: self._draw(policy, rng))

    def policy(self, history: History) -> Policy:
        """The policy after all outcomes of the history, in the order in which trials got them."""
        return self._fold(outcomes(history, self.rungs, self._codes))

    def _start(self) -> Policy:
        return Policy.uniform(self._counts)

    def _learn(self, policy: Policy, outcome: Outcome[Actions]) -> None:
        reward = policy.reward(outcome.standing)
        policy.learn(outcome.code, reward, self._learning_rate, self._entropy)
        policy.baseline = self._decay * policy.baseline + (1 - self._decay) * reward

    def _most(self, dimension: Dimension) -> int:
        """Categories have an action each, however many there are."""
        return len(dimension.values) if isinstance(dimension, Choices) else self._bins

    def _actions(self, config: Config) -> Actions:
        """The action that leads to each value of a configuration."""
        pairs = zip(self.space.dimensions.items(), self._counts, strict=True)
        return tuple(
            _action(dimension, count, config[name]) if name in config else _INACTIVE
            for (name, dimension), count in pairs
        )

    def _draw(self, policy: Policy, rng: np.random.Generator) -> Config:
        actions = policy.draw(rng)
        pairs = zip(self.space.dimensions.items(), self._counts, actions, strict=True)
        return self.space.only_active(
            {name: _value(dimension, count, action, rng) for (name, dimension), count, action in pairs}
        )


@dataclass
class Policy:
    """Independent categorical distributions, and what is needed to train them.

    Attributes:
        logits: One row a dimension, minus infinity where it has fewer actions than others.
        baseline: The running mean of rewards.
        standings: Those of all trials so far, best first.
    """

    logits: Array
    baseline: float = 0.0
    standings: list[tuple[int, float]] = field(default_factory=list)

    @classmethod
    def uniform(cls, counts: list[int]) -> Policy:
        """All actions equally likely; so many of each dimension."""
        exists = np.arange(max(counts)) < np.array(counts)[:, None]
        return cls(np.where(exists, 0.0, -np.inf))

    @property
    def probabilities(self) -> Array:
        """Of each dimension's actions, shape (dimensions, most actions)."""
        weights = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        probabilities: Array = weights / weights.sum(axis=1, keepdims=True)
        return probabilities

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """One action a dimension."""
        below = self.probabilities.cumsum(axis=1) <= rng.random((len(self.logits), 1))
        last = np.isfinite(self.logits).sum(axis=1) - 1
        actions: NDArray[np.int64] = np.minimum(below.sum(axis=1), last)
        return actions

    def reward(self, standing: tuple[int, float]) -> float:
        """Twice the share of earlier trials that are worse, less 1; the trial then counts among the earlier ones."""
        earlier = len(self.standings)
        better = bisect_right(self.standings, standing)
        insort(self.standings, standing)
        return 1 - 2 * better / earlier if earlier else 0.0

    def learn(self, actions: Actions, reward: float, rate: float, entropy: float) -> None:
        """Follow the gradient of the expected reward's estimate and of the entropy; inactive dimensions stay."""
        probabilities = self.probabilities
        chosen = np.arange(self.logits.shape[1]) == np.array(actions)[:, None]
        surprise = np.log(np.maximum(probabilities, np.finfo(float).tiny))
        mean_surprise = (probabilities * surprise).sum(axis=1, keepdims=True)
        gradient = (reward - self.baseline) * (chosen - probabilities)
        gradient -= entropy * probabilities * (surprise - mean_surprise)
        self.logits += rate * np.where(chosen.any(axis=1, keepdims=True), gradient, 0.0)


def _action(dimension: Dimension, count: int, value: Value) -> int:
    if isinstance(dimension, Choices):
        return dimension.index(value)
    if dimension.size == count:
        return dimension.grid(1).index(value)
    return min(int(dimension.to_unit(value) * count), count - 1)


def _value(dimension: Dimension, count: int, action: int, rng: np.random.Generator) -> Value:
    """The action's value, or one within its part of the scale."""
    if dimension.size == count:
        return dimension.grid(1)[action]
    return dimension.from_unit((action + rng.random()) / count)
