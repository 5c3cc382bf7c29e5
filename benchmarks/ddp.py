"""Two data-parallel workers against one, against plain `torchrun`, and against what the hardware gives at most.

    python benchmarks/ddp.py [--epochs 5] [--repeats 3] [--samples 1024]

`raise-hpo`: Ray Train's workers and the trial's runner, as `raise-hpo train` has them. `torchrun`: a script of torch's
own `DistributedDataParallel`. Same network, data, batches (each worker takes one, so that two see twice the samples a
step) and one thread a worker. `apart`: the same script without the exchange of gradients, two processes that begin each
epoch together and share nothing but the machine; where two virtual CPUs share a core or its caches, two processes do
less than twice the work of one, and no data-parallel training can do more.

The network is convolutional, with few weights that are used often: 78,000 weights, 80 million multiplications a sample.
Arithmetic dominates, not memory or the exchange of gradients. Timed are epochs after a first one; start-up, validation
and checkpoints are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import raise_hpo

HERE = Path(__file__).resolve().parent
PIXELS, CHANNELS, KERNEL, CLASSES, BATCH = 32, 32, 5, 5, 128
RAISE_HPO, TORCHRUN, APART = "raise-hpo", "torchrun", "apart"

Contestant = tuple[str, int]
"""A name, and a number of workers."""


def make_data(samples: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(samples, 1, PIXELS, PIXELS, generator=generator)
    return TensorDataset(images, torch.randint(CLASSES, (samples,), generator=generator))


def make_model() -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs in (1, CHANNELS, CHANNELS, CHANNELS):
        layers += [nn.Conv2d(inputs, CHANNELS, KERNEL, padding=KERNEL // 2), nn.ELU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, CLASSES))


def loss_of(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(model(images), labels)


class Images(raise_hpo.Trainable):
    """The network as raise-hpo's trainable."""

    defaults: ClassVar = {"lr": 0.01, "samples": 1024}

    def build(self, config: Any) -> None:
        self.images = make_data(config["samples"])
        self.model = self.distribute(make_model())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config["lr"])

    def train_epoch(self) -> dict[str, Any]:
        began = time.perf_counter()
        for images, labels in self.shard(self.images, batch_size=BATCH):
            self.step(loss_of(self.model, images, labels))
        return {"train_seconds": (time.perf_counter() - began, 1.0), "val_loss": 1.0}


def plain(epochs: int, samples: int, apart: bool) -> None:
    """One process of `torchrun`; rank 0 prints the seconds of the epochs, until the last process is done with each."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, workers = dist.get_rank(), dist.get_world_size()
    model, images = make_model(), make_data(samples)
    if workers > 1 and not apart:
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    sampler = DistributedSampler(images, workers, rank, drop_last=True)
    loader = DataLoader(images, batch_size=BATCH, sampler=sampler)
    seconds = []
    for epoch in range(epochs + 1):
        sampler.set_epoch(epoch)
        dist.barrier()
        taken = torch.tensor(_plain_epoch(model, loader, optimizer))
        dist.all_reduce(taken, dist.ReduceOp.MAX)
        seconds.append(float(taken))
    if rank == 0:
        print(json.dumps(seconds[1:]))
    dist.destroy_process_group()


def _plain_epoch(model: nn.Module, loader: DataLoader[Any], optimizer: torch.optim.Optimizer) -> float:
    began = time.perf_counter()
    for images, labels in loader:
        optimizer.zero_grad(set_to_none=True)
        loss_of(model, images, labels).backward()
        optimizer.step()
    return time.perf_counter() - began


def with_torchrun(workers: int, epochs: int, samples: int, apart: bool = False) -> list[float]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}", __file__,
        "--plain", "--epochs", str(epochs), "--samples", str(samples), *(["--apart"] if apart else []),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        sys.exit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def with_raise_hpo(workers: int, epochs: int, samples: int) -> list[float]:
    from raise_hpo.journal import read
    from raise_hpo.study.settings import Resources
    from raise_hpo.train.folder import TrainingFolder
    from raise_hpo.train.order import TrainingOrder
    from raise_hpo.train.trainer import run_trainer
    from raise_hpo.trial.spec import TrialSpec

    with tempfile.TemporaryDirectory() as place:
        folder = TrainingFolder(Path(place) / "training-1")
        folder.path.mkdir()
        spec = TrialSpec(
            trial=0, trainable="ddp:Images", config={"samples": samples}, fixed={}, seed=1, data={}, precision="fp32",
            lr_scaling="off", folder=folder.path, checkpoint=None, save_at=frozenset(), import_from=str(HERE),
        )  # fmt: skip
        told = TrainingOrder(spec, folder, "val_loss", "min", epochs + 1, every=epochs + 1)
        run_trainer(told, workers, Resources(), Path(place) / "ray", lambda: None)
        reported = [event["metrics"] for event in read(folder.epochs) if event["event"] == "epoch"]
    return [metrics["train_seconds"] for metrics in reported[1:]]


CONTESTANTS: dict[Contestant, Callable[[int, int], list[float]]] = {
    (RAISE_HPO, 1): partial(with_raise_hpo, 1),
    (TORCHRUN, 1): partial(with_torchrun, 1),
    (APART, 2): partial(with_torchrun, 2, apart=True),
    (RAISE_HPO, 2): partial(with_raise_hpo, 2),
    (TORCHRUN, 2): partial(with_torchrun, 2),
}


def efficiency(seconds: dict[Contestant, list[float]], name: str) -> float:
    """Samples a second of two over twice those of one, by the medians of epochs; two apart have torchrun's one."""
    alone = (TORCHRUN if name == APART else name, 1)
    return statistics.median(seconds[alone]) / (2 * statistics.median(seconds[name, 2]))


def tell(runs: list[dict[Contestant, list[float]]], samples: int) -> None:
    """Print the table.

    Args:
        runs: The seconds of the epochs in each repeat.
        samples: Samples of an epoch.
    """
    pooled = {key: [each for run in runs for each in run[key]] for key in CONTESTANTS}
    rate = {key: samples / statistics.median(seconds) for key, seconds in pooled.items()}
    print(f"{'':<10}{'1 worker':>11}{'2 workers':>11}{'of ideal':>10}{'in repeats':>17}{'of apart':>10}   samples/s")
    ceiling = efficiency(pooled, APART)
    for name in (RAISE_HPO, TORCHRUN, APART):
        alone = f"{rate[name, 1]:.0f}" if (name, 1) in rate else ""
        found, each = efficiency(pooled, name), [efficiency(run, name) for run in runs]
        spread = f"{min(each):.3f} to {max(each):.3f}"
        print(f"{name:<10}{alone:>11}{rate[name, 2]:>11.0f}{found:>10.3f}{spread:>17}{found / ceiling:>10.3f}")
    for workers, words in ((1, "1 worker "), (2, "2 workers")):
        print(f"{words} of raise-hpo against torchrun: {rate[RAISE_HPO, workers] / rate[TORCHRUN, workers]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5, help="epochs that are timed, of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, in turn; medians of all epochs are shown")
    parser.add_argument("--samples", type=int, default=1024, help="samples of an epoch, of all workers together")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--apart", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain(options.epochs, options.samples, options.apart)
        return
    from raise_hpo.drive.cluster import LocalRay

    runs: list[dict[Contestant, list[float]]] = []
    with LocalRay(cpus=2):
        for repeat in range(options.repeats):
            # There and back, so that a machine that slows down slows all of them.
            order = list(CONTESTANTS) if repeat % 2 == 0 else list(reversed(CONTESTANTS))
            runs.append({key: CONTESTANTS[key](options.epochs, options.samples) for key in order})
    tell(runs, options.samples)


if __name__ == "__main__":
    main()
