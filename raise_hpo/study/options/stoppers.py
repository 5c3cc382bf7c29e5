"""The options of each stopper."""

from typing import Literal

from pydantic import Field

from raise_hpo.study.settings import Settings


class StopperOptions(Settings):
    """When a stopper predicts, from how many curves, and how sure it must be."""

    known: float = Field(default=0.25, gt=0, lt=1)
    confidence: float = Field(default=1.5, ge=0)
    min_curves: int = Field(default=6, ge=4)


class QsvrOptions(StopperOptions):
    """A committee of support vector machines trained by annealing."""

    sampler: Literal["simulated_annealing", "dwave"] = "simulated_annealing"
    machines: int = Field(default=4, ge=1)
    points: int = Field(default=20, ge=2)


STOPPER_OPTIONS: dict[str, type[Settings]] = {"svr": StopperOptions, "qsvr": QsvrOptions, "last": StopperOptions}
