"""The same rows as Parquet and as HDF5, and a large file of Parquet."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 1000
NUMBERS = 800


def table(rng: np.random.Generator, rows: int) -> pa.Table:
    """Rows of noise, which no compression makes smaller."""
    points = rng.random((rows, NUMBERS), dtype=np.float32)
    label = (points[:, 0] > 0.5).astype(np.int32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(points.ravel()), NUMBERS)
    return pa.table({"points": column, "label": pa.array(label)})


def write_rows(folder: Path, rows: int) -> dict[str, str]:
    """The same rows in both formats, in row groups and chunks of the same size; HDF5's are for reading row by row."""
    rng = np.random.default_rng(1)
    parquet, hdf5 = folder / "rows.parquet", folder / "rows.h5"
    with h5py.File(hdf5, "w") as file, pq.ParquetWriter(parquet, table(rng, 1).schema, use_dictionary=False) as writer:
        points = file.create_dataset("points", (rows, NUMBERS), "f4")
        label = file.create_dataset("label", (rows,), "i4")
        for first in range(0, rows, ROW_GROUP):
            part = table(rng, min(ROW_GROUP, rows - first))
            writer.write_table(part)
            points[first : first + len(part)] = (
                part["points"].combine_chunks().flatten().to_numpy().reshape(-1, NUMBERS)
            )
            label[first : first + len(part)] = part["label"].to_numpy()
    return {"parquet": str(parquet), "hdf5": str(hdf5)}


def write_large(folder: Path, gigabytes: float) -> tuple[Path, int]:
    """A Parquet file of so many GB, and how many rows it has."""
    rng = np.random.default_rng(2)
    path, rows = folder / "large.parquet", 5_000
    groups = round(gigabytes * 1e9 / (rows * (NUMBERS + 1) * 4))
    with pq.ParquetWriter(path, table(rng, 1).schema, use_dictionary=False, compression="none") as writer:
        for _ in range(groups):
            writer.write_table(table(rng, rows))
    return path, rows * groups
