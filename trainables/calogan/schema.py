"""Event files of calorimeter showers: Parquet, one row a shower.

``cells`` holds the energies in a shower's cells in GeV, flattened from ``(x, y, layer)``; ``energy`` is that of the
primary particle in GeV, ``theta`` its polar angle in rad, pi/2 along the normal of the layers. Showers with an angle
are tilted along y. Two shapes are known: 25x25x25 cells, and 51x51x25 cells for showers whose angle varies.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from raise_hpo.data.sources import Source, find_parquet
from raise_hpo.errors import UserError
from trainables.event_files import told_in, written_whole

Shape = tuple[int, int, int]
FIXED_SHAPE: Shape = (25, 25, 25)
ANGLE_SHAPE: Shape = (51, 51, 25)
SHAPES: tuple[Shape, ...] = (FIXED_SHAPE, ANGLE_SHAPE)
LEAST_CELL = 1e-6
"""GeV; cells with less are empty, as in the published trainings."""
ROW_GROUP = 32
"""Showers in a row group: the unit that a worker reads."""
_METADATA_KEY = b"calogan"


@dataclass(frozen=True)
class Shower:
    """One shower.

    Attributes:
        cells: ``(x, y, layer)``, GeV.
        energy: of the primary particle, GeV.
        theta: its polar angle, rad.
    """

    cells: NDArray[np.float32]
    energy: float
    theta: float = math.pi / 2


def columns(shape: Shape) -> dict[str, tuple[int, ...]]:
    """The columns of an event file with showers of a shape, by name: the shape of a row of each."""
    return {"cells": shape, "energy": (), "theta": ()}


def write_showers(showers: Iterable[Shower], path: str | Path, provenance: Mapping[str, Any]) -> int:
    """Write showers of one shape to a Parquet file and return how many there were.

    Cells below `LEAST_CELL` are written as 0. The file appears under its name only when it is whole.

    Raises:
        UserError: there are no showers, they differ in shape, or the file cannot be written.
    """
    stream, count = iter(showers), 0
    first = next(stream, None)
    if first is None:
        raise UserError(f"there are no showers to write to '{path}'")
    schema = _schema(first.cells.shape, provenance)
    stream = chain([first], stream)
    with written_whole(Path(path), schema) as writer:
        while group := list(islice(stream, ROW_GROUP)):
            writer.write_table(_table(group, schema, first.cells.shape), row_group_size=ROW_GROUP)
            count += len(group)
    return count


def _schema(shape: tuple[int, ...], provenance: Mapping[str, Any]) -> pa.Schema:
    if shape not in SHAPES:
        raise UserError(f"showers have {_words(shape)} cells; valid: {' or '.join(map(_words, SHAPES))}")
    fields = [("cells", pa.list_(pa.float32(), math.prod(shape))), ("energy", pa.float32()), ("theta", pa.float32())]
    return pa.schema(fields, metadata={_METADATA_KEY: json.dumps(dict(provenance), sort_keys=True)})


def _words(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _table(showers: Sequence[Shower], schema: pa.Schema, shape: tuple[int, ...]) -> pa.Table:
    for shower in showers:
        if shower.cells.shape != shape:
            raise UserError(f"a shower has {_words(shower.cells.shape)} cells among others of {_words(shape)}")
    cells = np.stack([shower.cells for shower in showers]).astype(np.float32)
    cells[cells < LEAST_CELL] = 0.0
    values = pa.FixedSizeListArray.from_arrays(pa.array(cells.ravel()), math.prod(shape))
    numbers = [pa.array([getattr(s, name) for s in showers], pa.float32()) for name in ("energy", "theta")]
    return pa.table([values, *numbers], schema=schema)


def shower_shape(source: Source, cache: Path | None = None) -> Shape:
    """The shape of the showers in event files, by the files' footers.

    Args:
        source: the files.
        cache: the node's cache, where footers are kept.

    Raises:
        UserError: a file is missing or not whole, has no showers of a known shape, or files differ in shape.
    """
    files = find_parquet(source, cache)
    found = {file.url: _shape_in(file.url, file.footer.schema.to_arrow_schema()) for file in files}
    shapes = set(found.values())
    if len(shapes) > 1:
        raise UserError(f"data: event files differ in shape: {', '.join(f'{u} {_words(s)}' for u, s in found.items())}")
    return shapes.pop()


def _shape_in(url: str, schema: pa.Schema) -> Shape:
    if "cells" not in schema.names:
        raise UserError(
            f"data: '{url}' has no column 'cells', so it holds no showers; it has {', '.join(schema.names)}"
        )
    kind = schema.field("cells").type
    for shape in SHAPES:
        if pa.types.is_fixed_size_list(kind) and kind.list_size == math.prod(shape):
            return shape
    raise UserError(f"data: 'cells' of '{url}' holds {kind}; valid are lists of {' or '.join(map(_words, SHAPES))}")


def provenance(path: str | Path) -> dict[str, Any]:
    """Return what made an event file, as its metadata tell; empty where they do not."""
    return told_in(pq.read_schema(path), _METADATA_KEY)


def read_showers(path: str | Path) -> Iterator[Shower]:
    """Read the showers of an event file, one after the other."""
    shape = shower_shape(path)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(ROW_GROUP):
            cells = batch["cells"].flatten().to_numpy().reshape(-1, *shape)
            for own, energy, theta in zip(cells, batch["energy"].to_pylist(), batch["theta"].to_pylist(), strict=True):
                yield Shower(own, energy, theta)
