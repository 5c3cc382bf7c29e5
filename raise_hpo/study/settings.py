"""The groups of settings inside a study file, each with its defaults."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


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
    """What a trial gets: ``workers`` data-parallel workers, each with ``cpus`` cores and ``gpus`` GPUs."""

    cpus: float = Field(default=1.0, gt=0)
    gpus: float = Field(default=0.0, ge=0)
    workers: int = Field(default=1, ge=1)
    lr_scaling: Annotated[Literal["off", "linear", "sqrt"], BeforeValidator(_off_is_not_false)] = "off"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"


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
