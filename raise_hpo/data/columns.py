"""Columns of rows: arrays from which any rows can be taken, dense or ragged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from raise_hpo.data.shapes import Shape, sizes


class Ragged(NamedTuple):
    """Rows of different lengths, one after the other.

    Attributes:
        values: ``(total length, *shape)``.
        lengths: ``(rows,)``, the length of each row.
    """

    values: torch.Tensor
    lengths: torch.Tensor

    def to(self, device: torch.device, non_blocking: bool = False) -> Ragged:
        """Return the same rows on another device."""
        return Ragged(*(part.to(device, non_blocking=non_blocking) for part in self))


Batch = dict[str, torch.Tensor | Ragged]


@dataclass(frozen=True)
class Column:
    """All rows of a column.

    Attributes:
        values: ``(rows, *shape)``; where rows have a length of their own, ``(total length, *shape)``.
        offsets: ``(rows + 1,)`` where rows have a length of their own: row i is ``values[offsets[i]:offsets[i + 1]]``.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    def take(self, rows: NDArray[np.int64], pinned: bool = False) -> torch.Tensor | Ragged:
        """Copy some rows, in the given order, into tensors, in page-locked memory if they are to go to a GPU."""
        if self.offsets is None:
            return _gather(self.values, rows, pinned)
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        ends = np.cumsum(lengths)
        positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.offsets[rows] - ends + lengths, lengths)
        return Ragged(_gather(self.values, positions, pinned), torch.from_numpy(lengths))


def _gather(values: NDArray[Any], rows: NDArray[np.int64], pinned: bool) -> torch.Tensor:
    like = torch.from_numpy(np.empty(0, values.dtype))
    out = torch.empty((len(rows), *values.shape[1:]), dtype=like.dtype, pin_memory=pinned)
    np.take(values, rows, axis=0, out=out.numpy(), mode="clip")
    return out


def take(columns: Mapping[str, Column], rows: NDArray[np.int64], pinned: bool = False) -> Batch:
    """Copy some rows of all columns."""
    return {name: column.take(rows, pinned) for name, column in columns.items()}


def joined(parts: Sequence[Batch]) -> Batch:
    """Put batches together, in order."""
    if len(parts) == 1:
        return parts[0]
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(parts: Sequence[torch.Tensor | Ragged]) -> torch.Tensor | Ragged:
    if isinstance(parts[0], Ragged):
        return Ragged(*(torch.cat(same) for same in zip(*parts, strict=True)))
    return torch.cat(parts)  # type: ignore[arg-type]


def from_arrow(table: pa.Table, shapes: Mapping[str, Shape]) -> dict[str, Column]:
    """Turn an Arrow table into columns; its memory is copied where it is in several pieces only."""
    return {name: _column(table[name], shape) for name, shape in shapes.items()}


def _column(data: pa.ChunkedArray, shape: Shape) -> Column:
    array = data.combine_chunks()
    if not shape:
        return Column(_numbers(array))
    if shape[0] is not None:
        return Column(_numbers(_flat(array)).reshape(-1, *sizes(shape)))
    lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Column(_numbers(_flat(array)).reshape(-1, *sizes(shape[1:])), offsets)


def _flat(array: pa.Array) -> pa.Array:
    while pa.types.is_nested(array.type):
        array = array.flatten()
    return array


def _numbers(array: pa.Array) -> NDArray[Any]:
    return np.asarray(array.to_numpy(zero_copy_only=False))
