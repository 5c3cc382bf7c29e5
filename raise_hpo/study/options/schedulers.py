"""The options of each scheduler."""

from typing import Annotated, Literal

from pydantic import Field

from raise_hpo.study.settings import Settings


class AshaOptions(Settings):
    """Asynchronous successive halving (Li et al. 2020): rungs at ``min_epochs * reduction_factor**k`` epochs."""

    min_epochs: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, ge=2)
    mode: Literal["stopping", "promotion"] = "stopping"


class CurveSchedulerOptions(Settings):
    """Successive halving by predicted loss: rungs at ``min_epochs * reduction_factor**k`` epochs."""

    min_epochs: int | None = Field(default=None, ge=1)
    reduction_factor: float = Field(default=3, ge=2)


class HyperbandOptions(Settings):
    """Hyperband (Li et al. 2018): stages end at ``max_epochs / reduction_factor**k`` epochs, rounded."""

    min_epochs: int = Field(default=1, ge=1)
    reduction_factor: float = Field(default=3, ge=2)
    brackets: int | None = Field(default=None, ge=1)


class SwiftHyperbandOptions(HyperbandOptions):
    """Swift-Hyperband (García Amboage et al. 2024): Hyperband with a decision by prediction within each stage."""

    known: float = Field(default=0.5, gt=0, lt=1)
    train: float = Field(default=0.5, gt=0, le=1)
    min_curves: int = Field(default=15, ge=2)
    quantile: float = Field(default=0.25, ge=0, le=1)


class MedianOptions(Settings):
    """The median stopping rule (Golovin et al. 2017), applied from `grace_epochs` on."""

    grace_epochs: int | None = Field(default=None, ge=1)
    min_trials: int = Field(default=3, ge=1)


class Pb2Options(Settings):
    """Population-based bandits (Parker-Holder et al. 2020): heirs of the best replace the worst of a population."""

    population: int = Field(default=8, ge=2)
    interval: int | None = Field(default=None, ge=1)
    quantile: float = Field(default=0.25, gt=0, le=0.5)
    perturb: list[str] | None = None


class PbtOptions(Pb2Options):
    """Population-based training (Jaderberg et al. 2017): as `Pb2Options`, with values perturbed at random."""

    resample_probability: float = Field(default=0.25, ge=0, le=1)
    factors: list[Annotated[float, Field(gt=0)]] = Field(default=[0.8, 1.2], min_length=1)


class GeneticOptions(PbtOptions):
    """A genetic algorithm over configurations, weights and structure: as `PbtOptions`, with two parents and growth."""

    crossover: float = Field(default=0.5, ge=0, le=1)
    mutation: float = Field(default=0.02, ge=0, lt=1)
    grow: list[str] = Field(default=[])
    grow_probability: float = Field(default=0.25, ge=0, le=1)


SCHEDULER_OPTIONS: dict[str, type[Settings]] = {
    "asha": AshaOptions,
    "curve": CurveSchedulerOptions,
    "hyperband": HyperbandOptions,
    "bohb": HyperbandOptions,
    "swift_hyperband": SwiftHyperbandOptions,
    "median": MedianOptions,
    "pbt": PbtOptions,
    "pb2": Pb2Options,
    "genetic": GeneticOptions,
}
