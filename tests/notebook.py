"""What a user may have in a notebook: a trainable class that is in no module."""

from __future__ import annotations

SINE = """
import torch
import raise_hpo

class Sine(raise_hpo.Trainable):
    defaults = {"lr": 0.0003}
    search_space = {"lr": "loguniform(1e-4, 1e-1)"}

    def build(self, config):
        self.x = torch.linspace(-3, 3, 128).unsqueeze(1)
        self.model = self.distribute(torch.nn.Linear(1, 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config["lr"])

    def train_epoch(self):
        for x in self.shard(self.x, batch_size=32):
            loss = torch.nn.functional.mse_loss(self.model(x), x.sin())
            self.step(loss)
        print("an epoch of a sine")
        return {"val_loss": loss}

"""
