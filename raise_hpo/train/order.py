"""What the workers of a training are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raise_hpo.train.folder import TrainingFolder
from raise_hpo.trial.spec import TrialSpec


@dataclass(frozen=True)
class TrainingOrder:
    """One session of a training.

    Attributes:
        spec: The trainable, its configuration and its data; as in a trial.
        folder: The training's folder, which all nodes share.
        metric: The objective's metric.
        mode: The objective's mode.
        epochs: Epochs to train at most, counted from the training's first one.
        patience: Stop once the objective has not improved for so many epochs; None to train all of them.
        every: A checkpoint is written after so many epochs, besides those after the best and the last one.
        attempts: The training is given up when so many starts in a row come no epoch further.
        session: Which session of the training this is, from 1.
        threads: CPU threads of a worker.
    """

    spec: TrialSpec
    folder: TrainingFolder
    metric: str
    mode: Literal["min", "max"]
    epochs: int
    patience: int | None = None
    every: int = 1
    attempts: int = 3
    session: int = 1
    threads: int = 1
