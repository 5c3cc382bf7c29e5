"""Small Parquet files whose rows tell their own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {"number": (), "image": (2, 3), "hits": (None, 2)}


def table(first: int, rows: int) -> pa.Table:
    """Rows numbered from `first`: the number, six numbers made from it, and number % 4 hits of two values each."""
    numbers = np.arange(first, first + rows, dtype=np.int32)
    image = (numbers[:, None] + np.arange(6) / 10).astype(np.float32)
    hits = [[[float(n), float(i)] for i in range(n % 4)] for n in numbers]
    return pa.table(
        {
            "number": pa.array(numbers),
            "image": pa.FixedSizeListArray.from_arrays(pa.array(image.ravel()), 6),
            "hits": pa.array(hits, pa.list_(pa.list_(pa.float32(), 2))),
            "unused": pa.array(["never read"] * rows),
        }
    )


def write(path: Path, groups: Sequence[int], first: int = 0) -> Path:
    """A file with row groups of the given sizes."""
    schema = table(0, 1).schema
    with pq.ParquetWriter(path, schema) as writer:
        for rows in groups:
            writer.write_table(table(first, rows))
            first += rows
    return path
