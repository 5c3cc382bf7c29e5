"""Cuts a list into parts (Python 3.12 has this as ``itertools.batched``)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of up to `size` items, in order."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
