"""Rows in memory, or mapped into it from one copy that all processes of a node share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from raise_hpo.data.columns import Batch, Column, take
from raise_hpo.data.row_groups import RowGroups

_CONTENTS = "columns.json"


class MappedRows(Dataset[Batch]):
    """Rows that can be taken in any order.

    Args:
        columns: The columns, by name.
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = columns
        self._pinned = torch.cuda.is_available()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray[np.int64]) -> Batch:
        """Copy rows into tensors: those of a slice or a list of numbers; a single number gives a batch of one."""
        if isinstance(rows, int | np.integer):
            rows = [int(rows)]
        wanted = np.arange(len(self))[rows if isinstance(rows, slice) else np.asarray(rows, dtype=np.int64)]
        return take(self.columns, wanted, self._pinned)

    def __getitems__(self, rows: Sequence[int]) -> Batch:
        """What torch's loader asks for: a batch at once."""
        return self[rows]

    def head(self, count: int) -> Batch:
        """The first rows, no more than `count`."""
        return self[:count]

    @staticmethod
    def collate(batch: Batch) -> Batch:
        """A batch is whole as it comes."""
        return batch


def read_columns(groups: RowGroups) -> dict[str, Column]:
    """Read a data set into this process's memory."""
    return groups.read(range(len(groups.groups)))


def write_columns(groups: RowGroups, folder: Path) -> None:
    """Write a data set's columns, uncompressed, into a folder, holding no more than a row group in memory."""
    folder.mkdir()
    contents: dict[str, dict[str, Any]] = {}
    for number in range(len(groups.groups)):
        for place, (name, column) in enumerate(groups.read([number]).items()):
            known = contents.setdefault(name, _kind(f"{place}", column))
            _append(folder, known, column)
    (folder / _CONTENTS).write_text(json.dumps(contents))


def _kind(file: str, column: Column) -> dict[str, Any]:
    shape = list(column.values.shape[1:])
    return {"file": file, "dtype": column.values.dtype.str, "shape": shape, "ragged": column.offsets is not None}


def _append(folder: Path, kind: Mapping[str, Any], column: Column) -> None:
    values, offsets = (folder / f"{kind['file']}.{part}" for part in ("values", "offsets"))
    end = values.stat().st_size // max(1, column.values[:1].nbytes) if values.exists() else 0
    with values.open("ab") as file:
        file.write(np.ascontiguousarray(column.values).data)
    if column.offsets is not None:
        with offsets.open("ab") as file:
            # The first offset of all is 0; each group's first one is the last of the group before.
            file.write((column.offsets[1 if offsets.stat().st_size else 0 :] + end).tobytes())


def load_columns(folder: Path) -> dict[str, Column]:
    """Map columns that `write_columns` has written into memory."""
    contents = json.loads((folder / _CONTENTS).read_text())
    return {name: _mapped(folder, **kind) for name, kind in contents.items()}


def _mapped(folder: Path, file: str, dtype: str, shape: list[int], ragged: bool) -> Column:
    values = _map(folder / f"{file}.values", dtype).reshape(-1, *shape)
    return Column(values, _map(folder / f"{file}.offsets", "<i8") if ragged else None)


def _map(path: Path, dtype: str) -> NDArray[Any]:
    # An empty file cannot be mapped.
    return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)
