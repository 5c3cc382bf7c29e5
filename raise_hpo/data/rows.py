"""Rows of Parquet files for training: one memory-mapped copy a node where they fit in memory, else streamed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from raise_hpo.data.copies import node_copy
from raise_hpo.data.locations import Source
from raise_hpo.data.mapped import MappedRows, load_columns, read_columns, write_columns
from raise_hpo.data.row_groups import RowGroups, row_groups
from raise_hpo.data.shapes import Shape
from raise_hpo.data.sources import check_columns, find_parquet
from raise_hpo.data.streamed import StreamedRows
from raise_hpo.errors import UserError

MEMORY_GIB = 4.0
"""What the columns of a data set may take in a node's memory, unless the study says otherwise; more is streamed."""


def open_rows(
    source: Source,
    columns: Mapping[str, Shape],
    cache: Path | None = None,
    most: int | None = None,
    memory_gib: float = MEMORY_GIB,
) -> MappedRows | StreamedRows:
    """Open the rows of Parquet files; of other columns than the named ones nothing is read.

    Both kinds go into `Trainable.shard`, which gives batches as a dict of tensors by column: ``(rows, *shape)``, or a
    `Ragged` where rows have lengths of their own. The choice depends on the data and `memory_gib` alone, not on the
    machine, so that the order of a training is the same everywhere.

    Args:
        source: A path or any fsspec URL of a Parquet file, of a folder of them, or a pattern with ``*``; or a list.
        columns: The shape of a row of each column: ``()`` for a number, ``(100, 8)`` for a fixed-size list of 800
            numbers, ``(None, 12)`` for a list of any length of 12 numbers each.
        cache: The node's cache; footers, and rows that fit, are put there once for all processes. Without it they are
            read into this process's memory.
        most: Use only the first so many rows.
        memory_gib: The size of the columns, uncompressed, in GiB, up to which they are held in memory.

    Raises:
        UserError: A file is missing or not whole, a column is missing or of another kind, or there are no rows.
    """
    files = find_parquet(source, cache)
    check_columns(files, columns)
    groups = row_groups(files, columns, most)
    if not len(groups):
        raise UserError(f"data: there are no rows in '{files[0].url}'" + (" or its fellows" if len(files) > 1 else ""))
    if groups.nbytes > memory_gib * 2**30:
        return StreamedRows(groups)
    key = [[file.stamp() for file in files], dict(columns), most]
    if cache is None:
        return _in_this_process(_Key(str(key), groups))
    return MappedRows(load_columns(node_copy(cache, key, lambda folder: write_columns(groups, folder))))


def rows_of(
    data: Mapping[str, Any], source: Source, columns: Mapping[str, Shape], cache: Path | None
) -> MappedRows | StreamedRows:
    """Open rows as a study's ``data`` section says: no more than ``max_events``, in memory up to ``memory_gib``.

    Args:
        data: The section; both keys may be absent.
        source: As for `open_rows`.
        columns: As for `open_rows`.
        cache: As for `open_rows`.

    Raises:
        UserError: As `open_rows`.
    """
    return open_rows(source, columns, cache, data.get("max_events"), float(data.get("memory_gib", MEMORY_GIB)))


class _Key:
    """Row groups that are the same where what they were opened from is the same."""

    def __init__(self, key: str, groups: RowGroups) -> None:
        self.key = key
        self.groups = groups

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@lru_cache(maxsize=8)
def _in_this_process(key: _Key) -> MappedRows:
    return MappedRows(read_columns(key.groups))
