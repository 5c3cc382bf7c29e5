"""Trainables for tests: a small one that learns, and ones that break in each way a trainable can."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.nn import functional
from torch.utils.data import TensorDataset

import raise_hpo


class Line(raise_hpo.Trainable):
    """Fits a sine with a small network, with dropout so that random numbers count."""

    defaults: ClassVar = {"lr": 0.0003, "width": 8, "dropout": 0.1, "batch_size": 32, "epoch_seconds": 0.0}

    def build(self, config: Any) -> None:
        x = torch.linspace(-1, 1, 256).unsqueeze(1)
        self.points = TensorDataset(x, torch.sin(3 * x))
        layers = [torch.nn.Linear(1, config["width"]), torch.nn.Tanh(), torch.nn.Dropout(config["dropout"])]
        self.model = self.distribute(torch.nn.Sequential(*layers, torch.nn.Linear(config["width"], 1)))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config["lr"])
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.98)
        self.batch_size = config["batch_size"]
        self.pause = config["epoch_seconds"]

    def train_epoch(self) -> None:
        for x, y in self.shard(self.points, self.batch_size):
            self.step(functional.mse_loss(self.model(x), y))
        self.schedule.step()
        time.sleep(self.pause)

    def validate(self) -> dict[str, Any]:
        x, y = self.points.tensors
        return {"val_loss": functional.mse_loss(self.model(x), y)}


class Where(Line):
    """Reports the process and the process group that it trains in."""

    def validate(self) -> dict[str, Any]:
        group = torch.distributed.distributed_c10d._get_default_group()
        here = {"process": (float(os.getpid()), 1.0), "group": (float(id(group)), 1.0)}
        return {**super().validate(), **(here if self.rank == 0 else {name: (0.0, 0.0) for name in here})}


class Sized(Line):
    """Reports in how many processes it trains."""

    defaults: ClassVar = {**Line.defaults, "dropout": 0.0}

    def validate(self) -> dict[str, Any]:
        workers = self.sum_over_workers(torch.tensor(1.0))
        return {**super().validate(), "workers": workers, "rate": self.optimizer.param_groups[0]["lr"]}


class Breaks(Line):
    """Breaks in the way that the configuration says, at its second epoch."""

    defaults: ClassVar = {**Line.defaults, "how": "not"}

    def build(self, config: Any) -> None:
        super().build(config)
        self.how = config["how"]
        if self.how == "build":
            raise ValueError("the layers do not fit")

    def train_epoch(self) -> None:
        super().train_epoch()
        if self.epoch != 1:
            return
        if self.how == "raise":
            raise RuntimeError("something in the data")
        if self.how == "memory":
            torch.empty(2**50)
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "killed once" and not (marker := Path(self.data["marker"])).exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "slow":
            time.sleep(60)

    def validate(self) -> dict[str, Any]:
        metrics = super().validate()
        if self.epoch == 1 and self.how == "nan":
            return {"val_loss": math.nan}
        if self.epoch == 1 and self.how == "no metric":
            return {"loss": 1.0}
        return metrics


class Gradients(raise_hpo.Trainable):
    """Reports its gradient of one joint batch, and where it computed it."""

    defaults: ClassVar = {"lr": 0.1}

    def build(self, config: Any) -> None:
        generator = torch.Generator().manual_seed(5)
        self.points = TensorDataset(torch.randn(64, 3, generator=generator), torch.randn(64, 1, generator=generator))
        self.model = self.distribute(torch.nn.Linear(3, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.0)

    def train_epoch(self) -> dict[str, Any]:
        for x, y in self.shard(self.points, 64 // self.world_size):
            self.step(functional.mse_loss(self.model(x), y))
        gradient = torch.cat([parameter.grad.flatten() for parameter in self.model.parameters()])
        names = {f"gradient_{position}": value.item() for position, value in enumerate(gradient)}
        return {
            **names,
            "val_loss": 1.0,
            "world_size": float(self.world_size),
            "samples": (float(self.samples_seen), 1.0 / self.world_size),
        }

    def validate(self) -> dict[str, Any]:
        return {}


class Remembers(raise_hpo.Trainable):
    """Keeps in its weights how many epochs they were trained, and the sum of the learning rates of those."""

    defaults: ClassVar = {"lr": 0.1, "epoch_seconds": 0.0}

    def build(self, config: Any) -> None:
        self.model = torch.nn.Linear(1, 1)
        self.model.register_buffer("trained", torch.zeros(2, dtype=torch.float64))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config["lr"])
        self.pause = config["epoch_seconds"]

    def train_epoch(self) -> None:
        self.model.trained += torch.tensor([1.0, self.optimizer.param_groups[0]["lr"]], dtype=torch.float64)
        time.sleep(self.pause)

    def validate(self) -> dict[str, Any]:
        epochs, rates = self.model.trained.tolist()
        return {"val_loss": abs(rates / epochs - 0.05) + 1 / epochs, "epochs": epochs, "rates": rates}


class Batches(Line):
    """Writes the sizes of the batches that each worker trains on to a file, and refuses to train on three workers."""

    def build(self, config: Any) -> None:
        if self.world_size == 3:
            raise ValueError("three are a crowd")
        super().build(config)

    def train_epoch(self) -> None:
        sizes = []
        for x, y in self.shard(self.points, self.batch_size):
            sizes.append(len(x))
            self.step(functional.mse_loss(self.model(x), y))
        with Path(self.data["record"]).open("a") as file:
            file.write(json.dumps([self.world_size, self.rank, self.epoch, sizes]) + "\n")

    def validate(self) -> dict[str, Any]:
        for _ in self.shard(self.points, 256, shuffle=False):
            pass
        return {"val_loss": (1.0, self.samples_seen), "seen": (float(self.samples_seen), 1.0 / self.world_size)}


class Drawing(Line):
    """Draws what it has learnt."""

    def figures(self) -> dict[str, Any]:
        import plotly.graph_objects as go

        x, _ = self.points.tensors
        learnt = self.model(x)[:, 0]
        assert not learnt.requires_grad and not self.model.training
        return {"What it <has> learnt": go.Figure(go.Scatter(x=x[:, 0].tolist(), y=learnt.tolist()))}


class Clumsy(Line):
    """Fails when it draws."""

    def figures(self) -> dict[str, Any]:
        raise ZeroDivisionError("no ink")
