"""The framework's own metrics of a model: its parameters, and the time of its forward pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import raise_hpo
from raise_hpo.trial import model_cost
from raise_hpo.trial.model_cost import ForwardClock, count_parameters
from raise_hpo.trial.runner import TrialRunner

from ..toys import Line


class Clock:
    """Seconds that pass only when somebody says so."""

    now = 0.0

    @classmethod
    def take(cls, seconds: float) -> None:
        cls.now += seconds


@pytest.fixture(autouse=True)
def _no_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_cost.time, "perf_counter", lambda: Clock.now)


class Slow(nn.Module):
    """A layer that takes 3 s a call."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        Clock.take(3.0)
        return self.inner(x)


class Timed(raise_hpo.Trainable):
    """Validates through `shard`, with an outer and an inner module that are both attributes."""

    def build(self, config: Any) -> None:
        self.points = TensorDataset(torch.arange(40.0).unsqueeze(1))
        self.outer = Slow()
        self.inner = self.outer.inner
        self.loss = nn.MSELoss()
        self.extra = config.get("extra", {})

    def train_epoch(self) -> None:
        for _ in self.shard(self.points, 10):
            Clock.take(50.0)

    def validate(self) -> dict[str, Any]:
        for (x,) in self.shard(self.points, 10, shuffle=False):
            Clock.take(2.0)
            if not self.extra.get("bypassed"):
                self.outer(x)
        return {"val_loss": 1.0, **{name: value for name, value in self.extra.items() if name != "bypassed"}}


def epoch_of(**config: Any) -> dict[str, float]:
    return TrialRunner(Timed, config).epoch()


def test_parameters_are_those_that_are_trained_each_counted_once() -> None:
    runner = TrialRunner(Line, dict(Line.defaults))
    assert runner.epoch()["parameters"] == (1 * 8 + 8) + (8 * 1 + 1)
    trainable = TrialRunner(Timed, {}).trainable
    assert count_parameters(trainable) == 2
    trainable.inner.bias.requires_grad_(False)
    assert count_parameters(trainable) == 1


def test_inference_is_the_forward_pass_alone_per_sample() -> None:
    """Four passes of 3 s over 40 samples; time elsewhere does not count, and the inner module's calls not twice."""
    assert epoch_of()["inference_seconds"] == pytest.approx(4 * 3 / 40)


def test_samples_are_rows_where_the_validation_uses_no_shard() -> None:
    trainable = TrialRunner(Line, dict(Line.defaults)).trainable
    trainable.samples_seen = 0
    with ForwardClock(trainable) as clock:
        trainable.validate()
        trainable.validate()
    seconds, samples = clock.reading()
    assert (samples, seconds) == (512, 0)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in trainable.model.modules())


def test_what_was_not_measured_is_not_reported() -> None:
    assert "inference_seconds" not in epoch_of(extra={"bypassed": True})


def test_the_authors_own_metrics_of_these_names_are_kept() -> None:
    metrics = epoch_of(extra={"inference_seconds": 5.0, "parameters": 7.0})
    assert (metrics["inference_seconds"], metrics["parameters"]) == (5.0, 7.0)


def test_a_pass_that_breaks_leaves_no_hook() -> None:
    trainable = TrialRunner(Timed, {}).trainable
    with pytest.raises(RuntimeError, match="shape"), ForwardClock(trainable):
        trainable.outer(torch.ones(3, 2))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in trainable.outer.modules())
