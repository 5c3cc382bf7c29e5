"""What MLPF gains on its packaged sample, and from what: configurations side by side, over several seeds.

    python benchmarks/mlpf_defaults.py [--seeds 4] [--epochs 9] [--processes 2]

Prints the mean and standard deviation of `val_loss` after so many epochs. Left out: any other data. The sample's 160
training events tell a good learning rate from a bad one, and little more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from typing import Any

import torch

from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from trainables.mlpf.trainable import MLPF

TUNED = {
    "lr": 0.00544041224025413,
    "expdecay_decay_steps": 830,
    "dropout": 0.12845568906638744,
    "clip_value_low": 0.03887085690009487,
    "dist_mult": 0.1858093485261121,
}
"""What `raise-hpo tune mlpf` found."""

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "default (lr 1e-4)": {},
    "default with lr 1e-3": {"lr": 1e-3},
    "best of raise-hpo tune mlpf": TUNED,
    "that without graph layers": {**TUNED, "num_graph_layers_common": 0, "num_graph_layers_energy": 0},
}


def val_loss(job: tuple[str, int, int]) -> float:
    """Train one configuration with one seed."""
    name, seed, epochs = job
    torch.set_num_threads(1)
    runner = TrialRunner(MLPF, {**MLPF.defaults, **CONFIGURATIONS[name]}, Place(seed=seed))
    for _ in range(epochs):
        metrics = runner.epoch()
    return metrics["val_loss"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    jobs = [(name, seed, options.epochs) for name in CONFIGURATIONS for seed in range(1, options.seeds + 1)]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        losses = pool.map(val_loss, jobs, chunksize=1)
    print(f"{'configuration':<32}{'val_loss':>10}{'+-':>8}")
    for name in CONFIGURATIONS:
        values = [loss for (each, _, _), loss in zip(jobs, losses, strict=True) if each == name]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name:<32}{statistics.mean(values):>10.3f}{spread:>8.3f}")


if __name__ == "__main__":
    main()
