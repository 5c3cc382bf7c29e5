"""The groups of settings inside a study file, each with its defaults."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from raise_hpo.study.workers import mistake, read_workers
from raise_hpo.workers import Workers, by_rung, from_rung

LrScaling = Literal["off", "linear", "sqrt"]
LR_SCALINGS = get_args(LrScaling)


class Settings(BaseModel):
    """What all groups share: no unknown keys, no silent conversions, no changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _off_is_not_false(value: Any) -> Any:
    """YAML 1.1 reads a bare ``off`` as false; here it is the word."""
    return "off" if value is False else value


class Objective(Settings):
    """What makes one trial better than another."""

    metric: str = Field(default="val_loss", min_length=1)
    mode: Literal["min", "max"] = "min"


class Budget(Settings):
    """When the study ends: at whichever limit is reached first."""

    trials: int | None = Field(default=None, ge=1)
    hours: float | None = Field(default=None, gt=0)
    epochs: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if self.trials is None and self.hours is None and self.epochs is None:
            raise ValueError("needs at least one of trials, hours, epochs")
        return self


class Resources(Settings):
    """What a trial gets: ``workers`` data-parallel workers, each with ``cpus`` cores and ``gpus`` GPUs.

    ``survivors`` is the most workers that a trial may grow to when no new trials come; null for no growth.
    """

    cpus: float = Field(default=1.0, gt=0)
    gpus: float = Field(default=0.0, ge=0)
    workers: Annotated[Workers, PlainValidator(read_workers)] = 1
    survivors: int | None = Field(default=None, ge=1)
    lr_scaling: Annotated[LrScaling, BeforeValidator(_off_is_not_false)] = "off"
    batch: Literal["per_worker", "joint"] = "per_worker"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"

    @property
    def starting_workers(self) -> int:
        """The workers that a trial starts with."""
        return from_rung(self.workers, 0)

    @property
    def elastic(self) -> bool:
        """Whether a trial's number of workers may change."""
        return self.survivors is not None or len({*by_rung(self.workers).values()}) > 1

    def told(self) -> str:
        """The number of workers as a study file has it, such as ``rung 0: 1, rung 2: 4, survivors: 8``."""
        if not self.elastic:
            return str(self.starting_workers)
        counts = {f"rung {rung}": count for rung, count in by_rung(self.workers).items()}
        more = {} if self.survivors is None else {"survivors": self.survivors}
        return ", ".join(f"{key}: {count}" for key, count in {**counts, **more}.items())

    @model_validator(mode="after")
    def _survivors_grow(self) -> Self:
        most = max(by_rung(self.workers).values())
        if self.survivors is not None and self.survivors < most:
            raise mistake("survivors", f"is {self.survivors}, but must be at least {most}, the most of workers")
        return self

    @model_validator(mode="after")
    def _rate_follows_the_joint_batch(self) -> Self:
        if self.batch == "joint" and self.lr_scaling != "off":
            why = "with batch: joint the joint batch does not grow with the workers"
            raise mistake("lr_scaling", f"is {self.lr_scaling!r}, but must be off, because {why}")
        return self


class Limits(Settings):
    """A trial is given up after ``attempts`` infrastructure failures, or when an epoch takes over ``epoch_seconds``."""

    attempts: int = Field(default=3, ge=1)
    epoch_seconds: float | None = Field(default=None, gt=0)


class Checkpoints(Settings):
    """How often a trial is checkpointed, in epochs, and how many of the best trials keep their last checkpoint."""

    every: int = Field(default=1, ge=1)
    keep: int = Field(default=1, ge=1)


class Tracking(Settings):
    """Where MLflow writes: a tracking URI, or null for an SQLite file in the study's folder."""

    mlflow: str | None = Field(default=None, min_length=1)
