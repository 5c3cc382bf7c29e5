"""Two data-parallel workers against one, and against plain `torchrun`, on a batch that computing dominates.

    python benchmarks/ddp.py [--epochs 5] [--repeats 3]

`raise-hpo`: Ray Train's workers and the trial's runner, as `raise-hpo train` has them. `torchrun`: a script of torch's
own `DistributedDataParallel`. Same network, data, batches (each worker takes one, so that two see twice the samples a
step) and one thread a worker. Timed are epochs after a first one; start-up and checkpoints are left out.
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
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.nn import functional

import raise_hpo

HERE = Path(__file__).resolve().parent
SAMPLES, FEATURES, HIDDEN, BATCH = 4096, 256, 512, 512


def make_data() -> torch.utils.data.TensorDataset:
    generator = torch.Generator().manual_seed(0)
    return torch.utils.data.TensorDataset(torch.randn(SAMPLES, FEATURES, generator=generator))


def make_model() -> torch.nn.Module:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU()]
    for _ in range(3):
        layers += [torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN, FEATURES))


def loss_of(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(model(x), x)


class Wide(raise_hpo.Trainable):
    """The network as raise-hpo's trainable."""

    defaults: ClassVar = {"lr": 0.01}

    def build(self, config: Any) -> None:
        self.points = make_data()
        self.model = self.distribute(make_model())
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=config["lr"])

    def train_epoch(self) -> dict[str, Any]:
        began = time.perf_counter()
        for (x,) in self.shard(self.points, batch_size=BATCH):
            self.step(loss_of(self.model, x))
        return {"train_seconds": (time.perf_counter() - began, 1.0), "val_loss": 1.0}


def plain(epochs: int) -> None:
    """One process of `torchrun`; rank 0 prints the seconds of its epochs."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank, workers = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model, points = make_model(), make_data()
    if workers > 1:
        model = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    sampler = torch.utils.data.DistributedSampler(points, workers, rank, drop_last=True)
    loader = torch.utils.data.DataLoader(points, batch_size=BATCH, sampler=sampler)
    seconds = []
    for epoch in range(epochs + 1):
        sampler.set_epoch(epoch)
        began = time.perf_counter()
        for (x,) in loader:
            optimizer.zero_grad(set_to_none=True)
            loss_of(model, x).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - began)
    if rank == 0:
        print(json.dumps(seconds[1:]))
    torch.distributed.destroy_process_group()


def with_torchrun(workers: int, epochs: int) -> list[float]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}", __file__,
        "--plain", "--epochs", str(epochs),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        sys.exit(done.stderr)
    return list(json.loads(done.stdout.splitlines()[-1]))


def with_raise_hpo(workers: int, epochs: int) -> list[float]:
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
            trial=0, trainable="ddp:Wide", config={}, fixed={}, seed=1, data={}, precision="fp32", lr_scaling="off",
            folder=folder.path, checkpoint=None, save_at=frozenset(), import_from=str(HERE),
        )  # fmt: skip
        told = TrainingOrder(spec, folder, "val_loss", "min", epochs + 1, every=epochs + 1)
        run_trainer(told, workers, Resources(), Path(place) / "ray", lambda: None)
        reported = [event["metrics"] for event in read(folder.epochs) if event["event"] == "epoch"]
    return [metrics["train_seconds"] for metrics in reported[1:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5, help="epochs that are timed, of each run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, in turn; medians of all epochs are shown")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain(options.epochs)
        return
    from raise_hpo.drive.cluster import LocalRay

    runs: dict[tuple[str, int], list[float]] = {}
    with LocalRay(cpus=2):
        for _ in range(options.repeats):
            for name, run in (("raise-hpo", with_raise_hpo), ("torchrun", with_torchrun)):
                for workers in (1, 2):
                    runs.setdefault((name, workers), []).extend(run(workers, options.epochs))
    rate = {key: SAMPLES / statistics.median(seconds) for key, seconds in runs.items()}
    print(f"{'':<12}{'1 worker':>12}{'2 workers':>12}{'efficiency':>12}   samples/s of all workers")
    efficiency = {name: rate[name, 2] / (2 * rate[name, 1]) for name in ("raise-hpo", "torchrun")}
    for name, found in efficiency.items():
        print(f"{name:<12}{rate[name, 1]:>12.0f}{rate[name, 2]:>12.0f}{found:>12.3f}")
    print(f"2 workers of raise-hpo against 2 of torchrun: {rate['raise-hpo', 2] / rate['torchrun', 2]:.3f}")


if __name__ == "__main__":
    main()
