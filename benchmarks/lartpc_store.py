"""Images in compressed memory: how small they are, and how long a batch takes to decompress beside training on it.

    python benchmarks/lartpc_store.py [--size 3600] [--events 5] [--batch 1] [--threads 1] [--seed 1]

Generates events, keeps them in the store that trials share, and times both on this machine, with the same number of
threads for the network (decompression has one). Times are the best of three rounds over all events, after one to
warm up.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from trainables.lartpc.data import ImageDataset, datasets
from trainables.lartpc.generate import Recipe, generate_file
from trainables.lartpc.loss import cross_entropy
from trainables.lartpc.net import LArTPCNet
from trainables.lartpc.settings import Settings


def best_ms(run: Callable[[list[int]], object], events: int, batch: int) -> float:
    """The least time an event, in ms, in three rounds over all events."""
    taken = []
    for _ in range(4):
        began = time.perf_counter()
        for first in range(0, events, batch):
            run(list(range(first, min(first + batch, events))))
        taken.append((time.perf_counter() - began) / events * 1e3)
    return min(taken[1:])


def training(events: ImageDataset, planes: int, size: int) -> Callable[[list[int]], None]:
    """One step of training on some events, decompressed beforehand."""
    net = LArTPCNet(Settings(planes=planes), (size, size))
    kept = events.__getitems__(range(len(events)))

    def step(chosen: list[int]) -> None:
        cross_entropy(net(kept.images[chosen]), kept.labels[chosen]).backward()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("size", 3600), ("events", 5), ("batch", 1), ("threads", 1), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    path, size = folder / "events.parquet", options.size
    generate_file(Recipe(options.events, size, options.seed), path)
    raw = options.events * 3 * size**2 * 4
    names = {"train": str(path), "valid": str(path)}
    shape = f"3 planes of {size} x {size} pixels"
    print(f"{options.events} events of {shape}: {raw / options.events / 1e6:.1f} MB each as int32")
    print(f"event file: {raw / path.stat().st_size:.0f} : 1 against int32")
    for planes in (1, 3):
        events, _ = datasets(names, planes, folder / "cache")
        if planes == 1:
            # The store's own ratio is against int16.
            ratio = events.store.ratio * 4 / np.dtype(np.int16).itemsize
            print(f"store: {ratio:.0f} : 1 against int32, {raw / options.events / ratio / 1e3:.1f} kB an event")
        read = best_ms(events.__getitems__, options.events, options.batch)
        trained = best_ms(training(events, planes, size), options.events, options.batch)
        print(f"{planes} plane(s): decompression {read:.1f} ms/event, forward + backward {trained:.1f} ms/event")


if __name__ == "__main__":
    main()
