"""Make a table of real learning curves: train MLPF with configurations spread over a search space, epoch by epoch.

    python benchmarks/make_curves.py mlpf_training [--rows 200] [--processes 1] [--out FILE.parquet]

Tables: `mlpf_training`, `mlpf_architecture`, `mlpf_holdout` and `mlpf_batches`; `benchmarks/curves/README.md` tells
what each is, and a search space lies there for each. A finished training is one line of a JSONL file in `--work`; the
same command goes on where it was cut off and, when all are there, writes the Parquet file. Configurations and seeds
follow from the row's number, so that more rows leave the first ones as they are.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import qmc

from raise_hpo.curves import CurveTable
from raise_hpo.errors import UserError
from raise_hpo.space import Config, SearchSpace
from raise_hpo.trial.runner import TrialRunner
from raise_hpo.trial.trainable import Place
from trainables.mlpf.trainable import MLPF

CURVES = Path(__file__).parent / "curves"
SMALL = {
    **{"hidden_dim": 32, "ffn_dist_hidden_dim": 32, "distance_dim": 16, "output_dim": 16, "bin_size": 32},
    **{"num_graph_layers_common": 1, "num_graph_layers_energy": 1},
}
"""A network of which an epoch takes a tenth of a second."""
SPREAD_SEED = 20240
"""Seed of the Sobol sequence that spreads the configurations."""


@dataclass(frozen=True)
class Events:
    """Events to generate, for a table that is not made on the packaged sample."""

    process: str
    train: int
    valid: int
    pileup: float
    pool: int

    def files(self, folder: Path) -> dict[str, str]:
        """Name the files of training and validation events in a folder; make those that are missing."""
        from trainables.mlpf.generate import Recipe, generate_file

        files = {}
        for seed, (part, count) in enumerate({"train": self.train, "valid": self.valid}.items(), 11):
            file = folder / f"{self.process}_pileup{self.pileup:g}_{part}.parquet"
            if not file.exists():
                generate_file(Recipe(self.process, count, self.pileup, seed, self.pool), file)
            files[part] = str(file)
        return files


@dataclass(frozen=True)
class Task:
    """What the trainings of a table share.

    Attributes:
        fixed: Hyperparameters that the search space leaves alone.
        metric: What the curves show; smaller is better.
        epochs: Length of each training.
        data: Events to generate, or how many of the packaged sample's to use for training and for validation.
    """

    fixed: Mapping[str, Any]
    metric: str
    epochs: int
    data: Events | int


TASKS = {
    "mlpf_training": Task({**SMALL, "batch_size": 24}, "val_loss", epochs=24, data=24),
    "mlpf_architecture": Task({"batch_size": 24}, "val_loss", epochs=36, data=24),
    "mlpf_holdout": Task(
        {**SMALL, "num_graph_layers_energy": 0, "batch_size": 24}, "val_loss_reg", 30, Events("qcd", 24, 24, 4, 200)
    ),
    "mlpf_batches": Task(SMALL, "val_loss", 27, Events("qcd", 24, 24, 8, 400)),
}


@dataclass(frozen=True)
class Row:
    """One training.

    Attributes:
        losses: One an epoch; infinite from where the training diverged.
        seconds: CPU seconds an epoch, the median.
    """

    row: int
    config: Config
    losses: list[float]
    seconds: float


def spread(space: SearchSpace, rows: int) -> list[Config]:
    """Spread configurations over a space without forbidden combinations, by a scrambled Sobol sequence."""
    points = qmc.Sobol(d=len(space), scramble=True, rng=SPREAD_SEED).random_base2(max(rows - 1, 0).bit_length())
    return [space.from_unit(point) for point in points[:rows]]


def train(job: tuple[int, Config], task: Task, data: Mapping[str, Any]) -> Row:
    """Train one configuration, with its row's number as seed; give up where the metric is no longer finite."""
    row, config = job
    torch.set_num_threads(1)
    runner = TrialRunner(MLPF, {**MLPF.defaults, **task.fixed, **config}, Place(seed=row, data=data))
    losses, seconds = [math.inf] * task.epochs, []
    for epoch in range(task.epochs):
        started = time.process_time()
        loss = runner.epoch()[task.metric]
        seconds.append(time.process_time() - started)
        if not math.isfinite(loss):
            break
        losses[epoch] = loss
    return Row(row, config, losses, statistics.median(seconds))


def finished(work: Path, configs: Sequence[Config], epochs: int) -> dict[int, Row]:
    """Read the trainings that a work file holds, by row; what a cut left of a line is removed from the file.

    Raises:
        UserError: The file holds trainings of another search space or length.
    """
    rows: dict[int, Row] = {}
    if not work.exists():
        return rows
    whole = work.read_bytes().rpartition(b"\n")
    os.truncate(work, len(whole[0] + whole[1]))
    for line in whole[0].splitlines():
        row = Row(**json.loads(line))
        if row.row >= len(configs):
            continue
        if row.config != configs[row.row] or len(row.losses) != epochs:
            raise UserError(f"work file '{work}': row {row.row} is of another search space or length; remove the file")
        rows[row.row] = row
    return rows


def trained(jobs: Sequence[tuple[int, Config]], task: Task, data: Mapping[str, Any], processes: int) -> Iterator[Row]:
    """Train what is missing, in this process or in several."""
    work = partial(train, task=task, data=data)
    if processes == 1:
        yield from map(work, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(work, jobs)


def make(name: str, task: Task, rows: int, processes: int, work: Path) -> CurveTable:
    """Train what a table's work file lacks, and return the table."""
    space = SearchSpace.load(str(CURVES / f"{name}.yaml"))
    configs, lines = spread(space, rows), work / f"{name}.jsonl"
    work.mkdir(parents=True, exist_ok=True)
    data = task.data.files(work) if isinstance(task.data, Events) else {"max_events": task.data}
    done = finished(lines, configs, task.epochs)
    missing = [(row, config) for row, config in enumerate(configs) if row not in done]
    with lines.open("a") as file:
        for row in trained(missing, task, data, processes):
            file.write(json.dumps(vars(row)) + "\n")
            file.flush()
            done[row.row] = row
            print(f"{name}: {len(done)} of {rows}", file=sys.stderr)
    losses = np.array([done[row].losses for row in range(rows)])
    return CurveTable(name, space, configs, losses, np.array([done[row].seconds for row in range(rows)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TASKS)
    parser.add_argument("--rows", type=_at_least_one, default=200)
    parser.add_argument("--processes", type=_at_least_one, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/curves"), help="folder of finished trainings")
    parser.add_argument("--out", type=Path, help="Parquet file; benchmarks/curves/TABLE.parquet if not given")
    options = parser.parse_args()
    try:
        table = make(options.table, TASKS[options.table], options.rows, options.processes, options.work)
    except UserError as error:
        sys.exit(f"make_curves.py: {error}")
    table.write(options.out or CURVES / f"{options.table}.parquet")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"is {number}, it must be at least 1")
    return number


if __name__ == "__main__":
    main()
