"""Generating events by several processes, of which the events do not depend."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, how much of it is done, and how much there is."""


def made_in_blocks(make: Callable[[int], Made], blocks: range, jobs: int) -> Iterator[Made]:
    """What `make` gives for each block, in order.

    Args:
        make: Makes a block of events from its number alone; it can be pickled.
        blocks: The blocks' numbers.
        jobs: Processes; with one, or for a single block, this one.
    """
    if jobs == 1 or len(blocks) == 1:
        yield from map(make, blocks)
        return
    with ProcessPoolExecutor(min(jobs, len(blocks)), multiprocessing.get_context("spawn")) as executor:
        yield from executor.map(make, blocks)
