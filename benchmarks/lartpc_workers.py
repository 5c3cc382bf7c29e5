"""Loss against wall time by number of data-parallel workers, as in the talk.

    python benchmarks/lartpc_workers.py [--workers 1,2] [--epochs 6] [--batch 16] [--lr 1e-3] [--scale off] [--seed 1]

Each worker is a process with one thread and takes batches of the same size, so that more workers make fewer and larger
steps. All share one store of images. The time is that of training alone, without starting the processes; figures are
those of the packaged sample with mirror images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from raise_hpo.trial.runner import LR_SCALING, TrialRunner
from raise_hpo.trial.trainable import Place
from trainables.lartpc.trainable import LArTPC

Row = tuple[float, float, float]
"""Seconds since the start, training loss, validation loss."""


def work(rank: int, world: int, options: argparse.Namespace, folder: str, results: mp.Queue) -> None:
    """Train as one of the workers; the first one sends what the epochs report."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet-{world}", rank=rank, world_size=world)
    place = Place(rank, world, seed=options.seed, cache=Path(folder) / "cache")
    config = {**LArTPC.defaults, "lr": options.lr, "batch_size": options.batch, "augment": True}
    runner = TrialRunner(LArTPC, config, place, options.scale)
    dist.barrier()
    began, rows = time.perf_counter(), []
    for _ in range(options.epochs):
        metrics = runner.epoch()
        rows.append((time.perf_counter() - began, metrics["train_loss"], metrics["val_loss"]))
    if rank == 0:
        results.put(rows)
    dist.destroy_process_group()


def curve(world: int, options: argparse.Namespace, folder: str) -> list[Row]:
    """Train with so many workers."""
    results = mp.get_context("spawn").SimpleQueue()
    mp.spawn(work, (world, options, folder, results), nprocs=world)
    return results.get()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--scale", choices=list(LR_SCALING), default="off")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'workers':>7}{'epoch':>7}{'seconds':>9}{'train_loss':>12}{'val_loss':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for world in map(int, options.workers.split(",")):
            for epoch, (seconds, trained, validated) in enumerate(curve(world, options, folder), 1):
                print(f"{world:>7}{epoch:>7}{seconds:>9.1f}{trained:>12.3f}{validated:>10.3f}", flush=True)


if __name__ == "__main__":
    main()
