"""Trainings of one worker in this process, without Ray."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from raise_hpo.journal import Event, read
from raise_hpo.train.folder import TrainingFolder
from raise_hpo.train.order import TrainingOrder
from raise_hpo.train.progress import Progress
from raise_hpo.train.stretch import Stretch
from raise_hpo.trial.make import make_runner
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.spec import TrialSpec
from raise_hpo.trial.trainable import Trainable


def spec(folder: Path, trainable: str | type[Trainable] = "tests.toys:Line", **config: Any) -> TrialSpec:
    return TrialSpec(
        trial=2, trainable=trainable, config={"lr": 0.01, **config}, fixed={}, seed=5, data={}, precision="fp32",
        lr_scaling="off", folder=folder, checkpoint=None, save_at=frozenset(), batch="joint",
    )  # fmt: skip


def order(folder: TrainingFolder, epochs: int, trainable: Any = "tests.toys:Line", **settings: Any) -> TrainingOrder:
    return TrainingOrder(
        spec(folder.path, trainable), folder, "val_loss", settings.pop("mode", "min"), epochs, **settings
    )


def stretch(order: TrainingOrder) -> TrialRunner:
    """Train in this process until the training is over."""
    runner = make_runner(order.spec)
    Stretch(order, runner).run()
    return runner


def events(folder: TrainingFolder, kind: str) -> list[Event]:
    return [event for event in read(folder.epochs) if event["event"] == kind]


def progress(folder: TrainingFolder) -> Progress:
    return Progress("val_loss", "min", read(folder.epochs))


def tensors(raw: bytes) -> dict[str, bytes]:
    """A checkpoint's tensors and numbers, by their path in it, as bytes."""
    return dict(_walk("", torch.load(io.BytesIO(raw), weights_only=True)))


def _walk(path: str, value: Any) -> list[tuple[str, bytes]]:
    if isinstance(value, torch.Tensor):
        return [(path, value.contiguous().numpy().tobytes())]
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else None
    if parts is None:
        return [(path, repr(value).encode())]
    return [found for key, part in parts for found in _walk(f"{path}/{key}", part)]
