"""Elastic trials against a fixed number of workers: ratios over seeds, from what `raise-hpo simulate --out` wrote.

    python benchmarks/elastic_ratios.py FILE.csv [WORKERS]

Each row is compared with the one of the same algorithm, slots and seed that has WORKERS (1 if not given). Ratios are
geometric means over the seeds, differences arithmetic ones, each with a 95 % bootstrap interval.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict

import numpy as np

RESAMPLED = 4000

Rows = dict[str, dict[str, str]]


def interval(values: np.ndarray) -> np.ndarray:
    """The mean, and the ends of its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    means = [rng.choice(values, len(values)).mean() for _ in range(RESAMPLED)]
    return np.array([values.mean(), *np.quantile(means, [0.025, 0.975])])


def compared(rows: Rows, base: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many times faster than the base; node-hours over the base's; the final loss less the base's."""

    def column(of: Rows, name: str) -> np.ndarray:
        return np.array([float(of[seed][name]) for seed in rows])

    faster, hours = (
        np.exp(interval(np.log(column(over, name) / column(under, name))))
        for over, under, name in ((base, rows, "seconds"), (rows, base, "node_hours"))
    )
    return faster, hours, interval(column(rows, "final") - column(base, "final"))


def main(path: str, workers: str = "1") -> None:
    """Print a line for each algorithm, number of slots and workers."""
    found: dict[tuple[str, ...], Rows] = defaultdict(dict)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            found[row["searcher"], row["scheduler"], row["slots"], row["workers"]][row["seed"]] = row
    print(f"{'algorithm, slots, workers':64} {'faster':>18} {'node-hours':>18} {'final loss':>24}")
    for names, rows in found.items():
        told = compared(rows, found[(*names[:3], workers)])
        cells = ["{:.2f} [{:.2f}, {:.2f}]", "{:.2f} [{:.2f}, {:.2f}]", "{:+.3f} [{:+.3f}, {:+.3f}]"]
        figures = [cell.format(*values) for cell, values in zip(cells, told, strict=True)]
        print(f"{' + '.join(names[:2])}, {names[2]}, {names[3]:42} {figures[0]:>18} {figures[1]:>18} {figures[2]:>24}")


if __name__ == "__main__":
    main(*sys.argv[1:])
