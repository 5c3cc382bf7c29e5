"""The options of each searcher."""

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


SEARCHER_OPTIONS: dict[str, type[Settings]] = {"grid": GridOptions, "tpe": TpeOptions, "gp": GpOptions}
