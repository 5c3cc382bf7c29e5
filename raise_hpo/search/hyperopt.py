"""HyperOpt's algorithms (tree of Parzen estimators, annealing) as a searcher."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from raise_hpo.errors import UserError
from raise_hpo.history import Config, History
from raise_hpo.search.base import Searcher
from raise_hpo.search.outcomes import Codes, outcomes, ranks
from raise_hpo.space import Choices, Dimension, Range, SearchSpace, Steps, Value

_TRIES = 20
Values = dict[str, list[float]]


class HyperoptSearcher(Searcher):
    """HyperOpt (Bergstra, Yamins & Cox, ICML 2013): its tree of Parzen estimators, or its annealing.

    The estimators treat each dimension by itself. Annealing draws near one of the best trials, and the nearer the more
    trials there are; it needs no start-up and hardly any time. Both are told ranks for losses, as they use no more of
    them, so that trials stopped at different epochs and failed ones, which are last, have their places. Dimensions are
    given to HyperOpt flat; where one is inactive a trial has no value of it, and HyperOpt's model leaves it out.

    Args:
        space: The search space.
        seed: The study's seed.
        algorithm: ``tpe`` or ``anneal``.
        startup_trials: Random configurations before the estimators begin; annealing needs none.

    Raises:
        UserError: HyperOpt is not installed.
    """

    name = "hyperopt"

    def __init__(
        self, space: SearchSpace, seed: int, algorithm: Literal["tpe", "anneal"] = "tpe", startup_trials: int = 20
    ) -> None:
        super().__init__(space, seed)
        self._algorithm = algorithm
        self._startup_trials = startup_trials
        self._codes = Codes(space, self._values)
        with _quiet():
            self._domain = _domain(space)

    def suggest(self, trial: int, history: History) -> Config | None:
        """HyperOpt's proposal; forbidden combinations are asked anew."""
        known = outcomes(history, self.rungs, self._codes)
        order = ranks([outcome.standing for outcome in known])
        rng = self.rng(trial)
        with _quiet():
            told = self._trials([outcome.code for outcome in known], [int(rank) for rank in order])
            return self.allowed(trial, lambda: self._ask(told, int(rng.integers(2**31))), _TRIES)

    def _ask(self, told: Any, seed: int) -> Config:
        from hyperopt import anneal, tpe

        new = [len(told.trials)]
        if self._algorithm == "anneal":
            asked = anneal.suggest(new, self._domain, told, seed)
        else:
            startup = self._startup_trials
            asked = tpe.suggest(new, self._domain, told, seed, n_startup_jobs=startup, verbose=False)
        values = asked[0]["misc"]["vals"]
        return self.space.only_active(
            {name: _value(dimension, values[name][0]) for name, dimension in self.space.dimensions.items()}
        )

    def _values(self, config: Config) -> Values:
        """HyperOpt's values of a configuration, each as a list, empty where inactive."""
        return {
            name: [_number(dimension, config[name])] if name in config else []
            for name, dimension in self.space.dimensions.items()
        }

    def _trials(self, values: list[Values], losses: list[int]) -> Any:
        from hyperopt import Trials

        told = Trials()
        told.insert_trial_docs([self._document(*each) for each in zip(range(len(values)), values, losses, strict=True)])
        told.refresh()
        return told

    def _document(self, number: int, values: Values, loss: int) -> dict[str, Any]:
        """A finished trial as HyperOpt stores it."""
        active = {name: [number] if value else [] for name, value in values.items()}
        misc = {"tid": number, "cmd": self._domain.cmd, "workdir": None, "idxs": active, "vals": values}
        unused = dict.fromkeys(("spec", "exp_key", "owner", "book_time", "refresh_time"))
        result = {"status": "ok", "loss": float(loss)}
        return {"tid": number, "state": 2, "version": 0, "result": result, "misc": misc, **unused}


def _domain(space: SearchSpace) -> Any:
    """The space as HyperOpt's.

    Raises:
        UserError: HyperOpt is not installed.
    """
    try:
        from hyperopt import Domain
    except ImportError:
        raise UserError(
            "searcher 'hyperopt' needs the package hyperopt, which is not installed: pip install 'raise-hpo[hyperopt]'"
        ) from None
    return Domain(_never, {name: _distribution(name, dimension) for name, dimension in space.dimensions.items()})


def _never(config: Config) -> float:
    raise RuntimeError("HyperOpt is asked for configurations and never runs any")


def _distribution(name: str, dimension: Dimension) -> Any:
    """HyperOpt's distribution: ranges as they are, categories by number, steps by number with equal or log weights."""
    from hyperopt import hp

    match dimension:
        case Range(low, high, log=True):
            return hp.loguniform(name, math.log(low), math.log(high))
        case Range(low, high):
            return hp.uniform(name, low, high)
        case Steps(low, high, step, log=True):
            return hp.qloguniform(name, math.log(low / step - 0.5), math.log(high / step + 0.5), 1)
        case Steps(low, high, step):
            return hp.quniform(name, low / step - 0.5, high / step + 0.5, 1)
        case Choices(values):
            return hp.randint(name, len(values))
    raise TypeError(f"no HyperOpt distribution for {dimension!r}")


def _number(dimension: Dimension, value: Value) -> float:
    if isinstance(dimension, Choices):
        return dimension.index(value)
    return float(round(value / dimension.step) if isinstance(dimension, Steps) else value)


def _value(dimension: Dimension, number: float) -> Value:
    """The dimension's value; the rounding at the ends of a range of steps may be one step outside."""
    if isinstance(dimension, Choices):
        return dimension.grid(1)[int(number)]
    return dimension.snap(float(number) * (dimension.step if isinstance(dimension, Steps) else 1))


@contextmanager
def _quiet() -> Iterator[None]:
    """HyperOpt's log and the warnings of its older NumPy code tell a physicist nothing."""
    logger = logging.getLogger("hyperopt")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
