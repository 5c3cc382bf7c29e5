"""Shapes of rows, and whether a column of a Parquet file has rows of a shape."""

from __future__ import annotations

from math import prod

import pyarrow as pa

Shape = tuple[int | None, ...]
"""The shape of a row of a column: ``()`` for a number; a leading None is a length that differs from row to row."""


def sizes(shape: Shape) -> tuple[int, ...]:
    """The sizes that are the same in every row."""
    return tuple(size for size in shape if size is not None)


def fits(kind: pa.DataType, shape: Shape) -> bool:
    """Whether an Arrow type holds rows of a shape: numbers, in lists of fixed size, or in lists where it has None."""
    if not shape:
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))
    if shape[0] is None:
        return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and fits(kind.value_type, shape[1:])
    if not pa.types.is_fixed_size_list(kind):
        return False
    size = prod(sizes(shape))
    return bool(kind.list_size == size and fits(kind.value_type, ())) or (
        kind.list_size == shape[0] and fits(kind.value_type, shape[1:])
    )


def words(shape: Shape) -> str:
    """What a column of a shape must hold, for a message."""
    if not shape:
        return "numbers"
    if shape[0] is None:
        return f"lists of {words(shape[1:])}" if len(shape) > 1 else "lists of numbers"
    return f"lists of {prod(sizes(shape))} numbers each (a fixed-size list)"
