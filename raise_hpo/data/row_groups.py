"""The row groups of a data set: how large each is, and how its rows are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa

from raise_hpo.data.columns import Column, from_arrow
from raise_hpo.data.shapes import Shape
from raise_hpo.data.sources import ParquetSource
from raise_hpo.errors import UserError

_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True)
class RowGroup:
    """One row group.

    Attributes:
        file: The file that it is in.
        number: Its number there.
        rows: How many of its rows are used, from the first.
        nbytes: What the used columns take in memory, at most.
    """

    file: ParquetSource
    number: int
    rows: int
    nbytes: int


@dataclass(frozen=True)
class RowGroups:
    """All row groups of a data set, and the columns that are read of them."""

    groups: Sequence[RowGroup]
    shapes: Mapping[str, Shape]

    def __len__(self) -> int:
        return sum(group.rows for group in self.groups)

    @property
    def nbytes(self) -> int:
        """What all rows take in memory, at most."""
        return sum(group.nbytes for group in self.groups)

    @property
    def rows(self) -> list[int]:
        """The number of rows of each group."""
        return [group.rows for group in self.groups]

    def read(self, numbers: Sequence[int]) -> dict[str, Column]:
        """Read some row groups, in the given order.

        Raises:
            UserError: A file cannot be read or is damaged, or a column has empty places.
        """
        tables = list(self._tables([self.groups[number] for number in numbers]))
        return from_arrow(pa.concat_tables(tables), self.shapes)

    def _tables(self, groups: Sequence[RowGroup]) -> Iterator[pa.Table]:
        # Neighbours in one file are read through one opened file.
        for _, same in groupby(groups, key=lambda group: id(group.file)):
            own = list(same)
            with own[0].file.opened() as file:
                for group in own:
                    # Threads belong to the other workers of the node.
                    table = file.read_row_group(group.number, columns=list(self.shapes), use_threads=False)
                    _check_full(table, group.file.url)
                    yield table.select(list(self.shapes)).slice(0, group.rows)


def _check_full(table: pa.Table, url: str) -> None:
    for name in table.column_names:
        if table[name].null_count:
            raise UserError(f"data: column '{name}' of '{url}' has {table[name].null_count} empty places")


def row_groups(files: Sequence[ParquetSource], shapes: Mapping[str, Shape], most: int | None) -> RowGroups:
    """Describe the row groups of files from their footers, up to the first `most` rows."""
    found, left = [], most
    for file in files:
        for number in range(file.footer.num_row_groups):
            group = file.footer.row_group(number)
            rows = group.num_rows if left is None else min(left, group.num_rows)
            left = None if left is None else left - rows
            if rows:
                found.append(RowGroup(file, number, rows, _nbytes(group, shapes) * rows // group.num_rows))
    return RowGroups(found, shapes)


def _nbytes(group: object, shapes: Mapping[str, Shape]) -> int:
    """The bytes of a group's used numbers; small integers are counted as Parquet keeps them, in four bytes."""
    columns = (group.column(i) for i in range(group.num_columns))  # type: ignore[attr-defined]
    used = [column for column in columns if column.path_in_schema.split(".")[0] in shapes]
    return sum(column.num_values * _BYTES.get(column.physical_type, 8) for column in used)
