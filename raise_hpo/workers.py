"""How many data-parallel workers a trial has: one number, or one from a rung of the scheduler on."""

from __future__ import annotations

WORKERS = "resources.workers"
LR_SCALING = "resources.lr_scaling"
SEARCHED = (WORKERS, LR_SCALING)
"""The resources that a study may search for: as dimensions, they are a trial's resources, not the trainable's own."""

Workers = int | dict[str, int]
"""As a study file has it: ``2``, or ``{rung 0: 1, rung 2: 4}``, rising from rung 0, the start of a trial, on."""


def by_rung(workers: Workers) -> dict[int, int]:
    """The number of workers from each rung on at which it is told."""
    if isinstance(workers, int):
        return {0: workers}
    return {int(key.removeprefix("rung ")): count for key, count in workers.items()}


def from_rung(workers: Workers, rung: int) -> int:
    """The number of workers of a trial that has come to a rung, 0 if to none."""
    counts = by_rung(workers)
    return counts[max(first for first in counts if first <= rung)]
