"""Rows that do not fit in memory: read by row group, ahead of the training, each by the one worker that needs it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from raise_hpo.data.columns import Batch, Column, joined, take
from raise_hpo.data.plan import EpochPlan, plan_epoch
from raise_hpo.data.row_groups import RowGroups
from raise_hpo.errors import UserError

WINDOW_BYTES = 64 * 2**20
"""Row groups are read, and their rows shuffled, together, until they take so much memory; but at least one."""
_WINDOWS_AHEAD = 1


class StreamedRows:
    """Rows of which no more is in memory than two windows: the one in use, and the one that a thread reads ahead.

    An epoch's order depends on seed and epoch alone: row groups are shuffled and dealt out to the workers, and each
    worker shuffles the rows of a window among themselves.

    Args:
        groups: The row groups.
        window_bytes: The size of a window.
    """

    def __init__(self, groups: RowGroups, window_bytes: int = WINDOW_BYTES) -> None:
        self.groups = groups
        self.window_bytes = window_bytes

    def __len__(self) -> int:
        return len(self.groups)

    def head(self, count: int) -> Batch:
        """The first rows, no more than `count`, which must fit in memory."""
        parts: list[Batch] = []
        for number, rows in enumerate(self.groups.rows):
            if count <= 0:
                break
            parts.append(take(self.groups.read([number]), np.arange(min(rows, count))))
            count -= rows
        return joined(parts)

    def plan(
        self, batch_size: int, seed: int, epoch: int, workers: int, parts: int | None = None, shuffle: bool = True
    ) -> EpochPlan:
        """Who reads what in an epoch.

        Args:
            batch_size: Rows that a worker's batch has at most.
            seed: The trial's seed.
            epoch: The epoch's number.
            workers: Number of workers.
            parts: Parts that the data are cut into, of which each worker takes one; as many as workers if None.
            shuffle: True for training; False keeps the row groups' order.

        Raises:
            UserError: There are too few row groups for each worker to take part in every step of a training.
        """
        order = np.arange(len(self.groups.groups))
        if shuffle:
            order = np.random.default_rng((abs(seed), epoch)).permutation(order)
        plan = plan_epoch(self.groups.rows, parts or workers, batch_size, order.tolist(), workers)
        if shuffle and min(plan.rows_of(worker) for worker in range(workers)) < plan.steps:
            raise UserError(
                f"data: {len(order)} row groups of {len(self)} rows are too few for {workers} workers in batches of "
                f"{batch_size}; write the files with smaller row groups"
            )
        return plan

    def batches(
        self, plan: EpochPlan, worker: int, seed: int, epoch: int, shuffle: bool = True, start: int = 0
    ) -> Iterator[Batch]:
        """One worker's batches of an epoch.

        Args:
            plan: The epoch's plan, of the same seed and epoch.
            worker: The worker's number.
            seed: The trial's seed.
            epoch: The epoch's number.
            shuffle: Whether rows are shuffled within a window.
            start: The batch to begin with; windows before it are not read.
        """
        sizes = [size for size in plan.batches(worker) if size]
        stretches = self._stretches(plan.groups[worker], (abs(seed), epoch, worker), shuffle, sum(sizes[:start]))
        yield from _cut(stretches, sizes[start:])

    def _stretches(
        self, groups: Sequence[int], seed: tuple[int, ...], shuffle: bool, skip: int
    ) -> Iterator[tuple[dict[str, Column], NDArray[np.int64]]]:
        """The windows' columns, each with the order in which its rows are taken, without the first `skip` rows."""
        windows = self._windows(groups)
        while windows and skip >= self._rows(windows[0]):
            skip -= self._rows(windows.pop(0))
        with ThreadPoolExecutor(1) as reader:
            ahead = deque(reader.submit(self.groups.read, window) for window in windows[: 1 + _WINDOWS_AHEAD])
            for place, window in enumerate(windows):
                columns = ahead.popleft().result()
                rows = np.arange(self._rows(window))
                if shuffle:
                    rows = np.random.default_rng((*seed, window[0])).permutation(rows)
                yield columns, rows[skip:]
                skip = 0
                # The window's memory is given back before the next one but one is asked for.
                del columns
                ahead.extend(
                    reader.submit(self.groups.read, late)
                    for late in windows[place + 1 + _WINDOWS_AHEAD : place + 2 + _WINDOWS_AHEAD]
                )

    def _windows(self, groups: Sequence[int]) -> list[list[int]]:
        windows: list[list[int]] = []
        room = 0
        for group in groups:
            size = self.groups.groups[group].nbytes
            if size > room:
                windows.append([])
                room = self.window_bytes
            windows[-1].append(group)
            room -= size
        return windows

    def _rows(self, window: Sequence[int]) -> int:
        return sum(self.groups.groups[group].rows for group in window)


def _cut(stretches: Iterator[tuple[dict[str, Column], NDArray[np.int64]]], sizes: Sequence[int]) -> Iterator[Batch]:
    """Cut stretches of rows into batches of the given sizes; a batch may span several."""
    pinned = torch.cuda.is_available()
    waiting: list[Batch] = []
    left = deque(sizes)
    missing = left.popleft() if left else 0
    for columns, order in stretches:
        at = 0
        while missing and at < len(order):
            taken = order[at : at + missing]
            waiting.append(take(columns, taken, pinned))
            at, missing = at + len(taken), missing - len(taken)
            if not missing:
                yield joined(waiting)
                waiting, missing = [], left.popleft() if left else 0
        del columns
