"""The model and data that the turnaround benchmark trains on every seam: so small that what is timed is the seam."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.nn import functional

import raise_hpo

SAMPLES, FEATURES, HIDDEN, BATCH = 2048, 16, 32, 128


def make_data() -> torch.utils.data.TensorDataset:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, FEATURES, generator=generator)
    return torch.utils.data.TensorDataset(x, (x.sum(1, keepdim=True) > 0).float())


def make_model() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1))


def loss_of(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(model(x), y)


class Toy(raise_hpo.Trainable):
    """The toy as raise-hpo's trainable."""

    defaults: ClassVar = {"lr": 0.01}

    def build(self, config: Any) -> None:
        self.points = make_data()
        self.model = self.distribute(make_model())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config["lr"])

    def train_epoch(self) -> None:
        for x, y in self.shard(self.points, batch_size=BATCH):
            self.loss = loss_of(self.model, x, y)
            self.step(self.loss)

    def validate(self) -> dict[str, float]:
        return {"val_loss": self.loss.item()}
