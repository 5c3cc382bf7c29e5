"""A small network trained on a file that is streamed."""

from __future__ import annotations

import time

import torch
from torch.nn import functional

import raise_hpo
from raise_hpo.data import open_rows
from raise_hpo.trial.runner import TrialRunner


class Small(raise_hpo.Trainable):
    """Tells from its numbers whether the first one is large."""

    def build(self, config: dict[str, object]) -> None:
        self.rows = open_rows(config["path"], {"points": (800,), "label": ()})
        self.batch = config["batch"]
        self.model = self.distribute(torch.nn.Linear(800, 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.seen = 0

    def train_epoch(self) -> dict[str, float]:
        for batch in self.shard(self.rows, self.batch):
            told = self.model(batch["points"])[:, 0]
            self.step(functional.binary_cross_entropy_with_logits(told, batch["label"].float()))
            self.seen += len(told)
        return {}


def train(path: str, batch: int) -> dict[str, float]:
    """One epoch: rows a second, and how many rows were seen."""
    runner = TrialRunner(Small, {"path": path, "batch": batch})
    began = time.perf_counter()
    runner.epoch()
    return {"rows": runner.trainable.seen / (time.perf_counter() - began), "seen": runner.trainable.seen}
