"""The options of each searcher."""

from typing import Any, Literal

from pydantic import Field

from raise_hpo.study.settings import Settings


class GridOptions(Settings):
    """Grid search: how many values of a continuous dimension are tried."""

    points: int = Field(default=3, ge=1)


class TpeOptions(Settings):
    """Optuna's tree-structured Parzen estimator."""

    startup_trials: int = Field(default=10, ge=1)
    multivariate: bool = True
    group: bool = True
    constant_liar: bool = True


class GpOptions(Settings):
    """Optuna's Gaussian process."""

    startup_trials: int = Field(default=10, ge=1)
    deterministic: bool = False


class CmaesOptions(Settings):
    """The covariance matrix adaptation evolution strategy."""

    population: int | None = Field(default=None, ge=4)
    sigma: float = Field(default=0.2, gt=0, le=1)


class CurveSearcherOptions(Settings):
    """A Gaussian process over all curves, lifted to the last epoch; 0 startup trials: by dimensions and slots."""

    startup_trials: int = Field(default=0, ge=0)
    explore: float = Field(default=0.08, ge=0, le=1)


class HyperoptOptions(Settings):
    """HyperOpt's tree of Parzen estimators or annealing."""

    algorithm: Literal["tpe", "anneal"] = "tpe"
    startup_trials: int = Field(default=20, ge=1)


class BohbOptions(Settings):
    """Parzen estimators on the largest budget with enough observations (Falkner et al. 2018)."""

    min_points: int | None = Field(default=None, ge=1)
    top_percent: float = Field(default=15, gt=0, lt=100)
    samples: int = Field(default=64, ge=1)
    random_fraction: float = Field(default=1 / 3, ge=0, le=1)
    bandwidth_factor: float = Field(default=3, gt=0)
    min_bandwidth: float = Field(default=1e-3, gt=0)


class EvolutionOptions(Settings):
    """Regularised evolution (Real et al. 2019) with crossover."""

    population: int = Field(default=16, ge=2)
    tournament: int = Field(default=8, ge=1)
    offspring: int = Field(default=8, ge=1)
    crossover: float = Field(default=0.5, ge=0, le=1)
    mutation: float = Field(default=0.1, ge=0, le=1)
    sigma: float = Field(default=0.1, gt=0, le=1)


class RlOptions(Settings):
    """A policy trained by REINFORCE."""

    bins: int = Field(default=8, ge=2)
    learning_rate: float = Field(default=1.0, gt=0)
    entropy: float = Field(default=0.05, ge=0)
    decay: float = Field(default=0.9, ge=0, lt=1)


class RepeatOptions(Settings):
    """Given configurations, each trained from several seeds."""

    configurations: list[dict[str, Any]] = Field(default=[], min_length=1)
    seeds: int = Field(default=10, ge=1)


SEARCHER_OPTIONS: dict[str, type[Settings]] = {
    "grid": GridOptions,
    "tpe": TpeOptions,
    "gp": GpOptions,
    "curve": CurveSearcherOptions,
    "cmaes": CmaesOptions,
    "hyperopt": HyperoptOptions,
    "bohb": BohbOptions,
    "evolution": EvolutionOptions,
    "rl": RlOptions,
    "repeat": RepeatOptions,
}
