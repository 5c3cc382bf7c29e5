"""Who reads what in an epoch: row groups are dealt out to workers, and rows are cut into equally many batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class EpochPlan:
    """The row groups of each worker in one epoch, and the sizes of each worker's batches.

    Each row group belongs to one worker, so each row is visited once and no file is read twice. Workers need equally
    many steps, or the exchange of gradients would wait for ever: the one with most rows decides how many, and the
    others' batches are a little smaller.

    Attributes:
        groups: The row groups of each worker, in the order in which it reads them.
        rows: Rows of each row group, by its number.
        batch_size: Rows that a batch has at most.
    """

    groups: Sequence[Sequence[int]]
    rows: Sequence[int]
    batch_size: int

    def rows_of(self, worker: int) -> int:
        """How many rows a worker visits."""
        return sum(self.rows[group] for group in self.groups[worker])

    @cached_property
    def steps(self) -> int:
        """Batches of each worker."""
        return max(-(-self.rows_of(worker) // self.batch_size) for worker in range(len(self.groups)))

    def batches(self, worker: int) -> list[int]:
        """The sizes of a worker's batches, which differ by one at most."""
        cuts = np.arange(self.steps + 1) * self.rows_of(worker) // max(1, self.steps)
        return [int(size) for size in np.diff(cuts)]


def plan_epoch(
    rows: Sequence[int], workers: int, batch_size: int, order: Sequence[int], taking: int | None = None
) -> EpochPlan:
    """Deal row groups out, each to the worker that has fewest rows so far.

    Args:
        rows: Rows of each row group.
        workers: How many workers share them.
        batch_size: Rows that a batch has at most.
        order: The row groups' numbers, in the order in which they are dealt out.
        taking: How many of the workers take part, the first ones; all if None.
    """
    groups: list[list[int]] = [[] for _ in range(workers)]
    filled = [0] * workers
    for group in order:
        fewest = filled.index(min(filled))
        groups[fewest].append(group)
        filled[fewest] += rows[group]
    return EpochPlan(groups[:taking], rows, batch_size)
