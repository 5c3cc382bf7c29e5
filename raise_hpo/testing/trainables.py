"""What every trainable must keep."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch

from raise_hpo.space import flatten, nest
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place, Trainable


class TrainableContract(ABC):
    """Subclass, return the class from `trainable`, and its data in `data` if its defaults need any."""

    metric = "val_loss"
    data: Mapping[str, Any] = {}

    @abstractmethod
    def trainable(self) -> type[Trainable]:
        """The class under test."""

    def runner(self) -> TrialRunner:
        """One worker with the default configuration."""
        found = self.trainable()
        return TrialRunner(found, nest(flatten(dict(found.defaults))), Place(data=self.data))

    def test_reports_a_finite_objective(self) -> None:
        """An epoch reports the objective."""
        assert math.isfinite(self.runner().epoch()[self.metric])

    def test_same_seed_same_training(self) -> None:
        """The seed decides the training on one CPU worker, to the bit."""
        first, second = (self.runner() for _ in range(2))
        assert first.epoch()[self.metric] == second.epoch()[self.metric]
        assert _parts(first.save()) == _parts(second.save())

    def test_a_checkpoint_goes_on_to_the_bit(self) -> None:
        """Trained on from a checkpoint, a trial is what it would have been."""
        straight, resumed = self.runner(), self.runner()
        straight.epoch()
        raw = straight.save()
        straight.epoch()
        resumed.load(raw)
        resumed.epoch()
        assert _parts(straight.save()) == _parts(resumed.save())


def _parts(raw: bytes) -> dict[str, Any]:
    """A checkpoint with its tensors as lists of bits, to compare."""
    return {key: _plain(value) for key, value in torch.load(io.BytesIO(raw), weights_only=True).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.contiguous().cpu().view(-1).numpy().tobytes()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
