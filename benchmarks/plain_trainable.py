"""A Ray Tune class Trainable that owns its data-parallel workers and makes them anew for each trial."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ray
import torch
import torch.distributed as dist
from ray import tune
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler
from toy import BATCH, loss_of, make_data, make_model


@ray.remote(num_cpus=1)
class Rank:
    """One data-parallel worker of one trial."""

    def host(self, world: int) -> tuple[str, int]:
        address = ray.util.get_node_ip_address()
        self.store = dist.TCPStore(address, 0, world, is_master=True, wait_for_workers=False)
        return address, self.store.port

    def start(self, rank: int, world: int, address: str, port: int, lr: float) -> None:
        torch.set_num_threads(1)
        store = self.store if rank == 0 else dist.TCPStore(address, port, world, is_master=False)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
        data = make_data()
        self.sampler = DistributedSampler(data, world, rank)
        self.loader = DataLoader(data, batch_size=BATCH, sampler=self.sampler)
        self.model = DistributedDataParallel(make_model())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr)
        self.epoch = 0

    def train(self) -> float:
        self.sampler.set_epoch(self.epoch)
        self.epoch += 1
        for x, y in self.loader:
            loss = loss_of(self.model, x, y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return loss.item()

    def state(self) -> bytes:
        buffer = io.BytesIO()
        torch.save({"model": self.model.module.state_dict(), "optimizer": self.optimizer.state_dict()}, buffer)
        return buffer.getvalue()


class PlainTrainable(tune.Trainable):
    """A trial with workers of its own."""

    def setup(self, config: dict[str, Any]) -> None:
        world = config["workers"]
        self.ranks = [Rank.remote() for _ in range(world)]
        address, port = ray.get(self.ranks[0].host.remote(world))
        ray.get([each.start.remote(rank, world, address, port, config["lr"]) for rank, each in enumerate(self.ranks)])

    def step(self) -> dict[str, Any]:
        losses = ray.get([each.train.remote() for each in self.ranks])
        return {"val_loss": losses[0], "done": self.iteration + 1 >= self.config["epochs"]}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        (Path(checkpoint_dir) / "state.pt").write_bytes(ray.get(self.ranks[0].state.remote()))

    def cleanup(self) -> None:
        for each in self.ranks:
            ray.kill(each)
