"""Event files of the LArTPC: images as lists of the pixels that are not 0, kept as Parquet.

One row of a file is one event. ``pixels`` holds the rising positions in the flattened image (plane, tick, wire) and
``values`` the ADC counts there; ``label`` is the class, ``pdg`` the particle's code, ``momentum`` its momentum in
MeV/c, and ``deposited`` the energy in MeV that is in the argon. What is not known is 0 in ``pdg`` and NaN in the
others. The shape of the images stands in the file's metadata, as images of one file are alike.

Positions are written as bit-packed differences (Parquet's DELTA_BINARY_PACKED) under Zstandard.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from raise_hpo.data.sources import ParquetSource, Source, find_parquet
from raise_hpo.errors import UserError
from trainables.event_files import check_types, told_in, written_whole

from .particles import CLASS_NAMES
from .readout import Sparse

ROW_GROUP = 64
"""Events in a row group: what is read at a time."""
Shape = tuple[int, int, int]
"""Planes, ticks, wires."""

_METADATA_KEY = b"lartpc"
_TYPES = {
    "pixels": pa.list_(pa.int32()),
    "values": pa.list_(pa.int16()),
    "label": pa.int8(),
    "pdg": pa.int32(),
    "momentum": pa.float32(),
    "deposited": pa.float32(),
}
_NEEDED = ("pixels", "values", "label", "momentum")
_ENCODING = {"pixels.list.element": "DELTA_BINARY_PACKED", "values.list.element": "BYTE_STREAM_SPLIT"}


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        image: The pixels that are not 0.
        label: The class's number.
        pdg: The particle's code, 0 where it is not known.
        momentum: In MeV/c, NaN where it is not known.
        deposited: Energy in the argon in MeV, NaN where it is not known.
    """

    image: Sparse
    label: int
    pdg: int = 0
    momentum: float = math.nan
    deposited: float = math.nan


def write_events(events: Iterable[Event], path: str | Path, shape: Shape, provenance: Mapping[str, Any]) -> int:
    """Write events to a Parquet file and return how many there were.

    The file appears under its name only when it is whole.

    Args:
        events: The events.
        path: The file.
        shape: Planes, ticks and wires of every image.
        provenance: What made them, for the metadata.

    Raises:
        UserError: The folder does not exist or cannot be written to.
    """
    count, stream, schema = 0, iter(events), _schema(shape, provenance)
    with written_whole(Path(path), schema, column_encoding=_ENCODING) as writer:
        while group := list(islice(stream, ROW_GROUP)):
            writer.write_table(_table(group, schema), row_group_size=ROW_GROUP)
            count += len(group)
    return count


def _schema(shape: Shape, provenance: Mapping[str, Any]) -> pa.Schema:
    known = {**provenance, "shape": list(shape)}
    return pa.schema(list(_TYPES.items()), metadata={_METADATA_KEY: json.dumps(known, sort_keys=True)})


def _table(events: Sequence[Event], schema: pa.Schema) -> pa.Table:
    offsets = np.cumsum([0, *(len(event.image.pixels) for event in events)]).astype(np.int32)
    columns: dict[str, Any] = {}
    for name in ("pixels", "values"):
        values = np.concatenate([getattr(event.image, name) for event in events])
        columns[name] = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, _TYPES[name].value_type))
    for name in ("label", "pdg", "momentum", "deposited"):
        columns[name] = pa.array([getattr(event, name) for event in events], _TYPES[name])
    return pa.table(columns, schema=schema)


@dataclass(frozen=True)
class EventFiles:
    """Event files with images of one shape.

    Attributes:
        files: Where they are, and their footers.
        shape: Planes, ticks and wires of every image.
    """

    files: tuple[ParquetSource, ...]
    shape: Shape

    def __len__(self) -> int:
        return sum(file.footer.num_rows for file in self.files)

    def events(self, most: int | None = None) -> Iterator[Event]:
        """Read the events in order, a row group at a time.

        Args:
            most: Stop after so many.

        Raises:
            UserError: A file cannot be read, or holds a class or a pixel that cannot be.
        """
        return islice((event for file in self.files for event in _read(file, self.shape)), most)


def open_events(source: Source, cache: Path | None = None) -> EventFiles:
    """Find event files and check them by their footers.

    Args:
        source: A path or any URL of a Parquet file, of a folder of them, or a list.
        cache: The node's cache, where footers are kept.

    Raises:
        UserError: A file is missing or no whole Parquet, lacks a column, or has images of another shape than the first.
    """
    files = tuple(find_parquet(source, cache))
    shapes = [_check(file) for file in files]
    for file, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            raise UserError(f"images of '{file.url}' have the shape {shape}, those of '{files[0].url}' {shapes[0]}")
    return EventFiles(files, shapes[0])


def provenance(file: ParquetSource) -> dict[str, Any]:
    """What made an event file and the ``shape`` of its images, as its metadata tell; empty where they do not."""
    return told_in(file.footer.schema.to_arrow_schema(), _METADATA_KEY)


def _check(file: ParquetSource) -> Shape:
    """Check a file's columns and return the shape of its images."""
    check_types(file.url, file.footer.schema.to_arrow_schema(), _NEEDED, _TYPES)
    shape = provenance(file).get("shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(isinstance(n, int) and n > 0 for n in shape)):
        raise UserError(f"event file '{file.url}' does not tell the shape of its images in its metadata, key 'lartpc'")
    planes, ticks, wires = shape
    return planes, ticks, wires


def _read(file: ParquetSource, shape: Shape) -> Iterator[Event]:
    with file.opened() as opened:
        present = [name for name in _TYPES if name in opened.schema_arrow.names]
        for group in opened.iter_batches(ROW_GROUP, columns=present):
            yield from _events(file.url, group, shape)


def _events(url: str, group: pa.RecordBatch, shape: Shape) -> Iterator[Event]:
    lists = {name: group.column(name) for name in ("pixels", "values")}
    offsets = [column.offsets.to_numpy() for column in lists.values()]
    pixels, values = (column.values.to_numpy(zero_copy_only=False) for column in lists.values())
    plain = group.drop_columns(list(lists)).to_pylist()
    for i, known in enumerate(plain):
        first, second = (slice(o[i], o[i + 1]) for o in offsets)
        _check_values(url, pixels[first], values[second], known["label"], shape)
        yield Event(Sparse(pixels[first], values[second]), **known)


def _check_values(url: str, pixels: NDArray[Any], values: NDArray[Any], label: int, shape: Shape) -> None:
    if not 0 <= label < len(CLASS_NAMES):
        raise UserError(f"'label' of event file '{url}' is {label}; valid: {list(range(len(CLASS_NAMES)))}")
    if len(pixels) != len(values):
        raise UserError(f"event file '{url}' is damaged: 'pixels' and 'values' differ in length")
    if len(pixels) and not 0 <= pixels.min() <= pixels.max() < math.prod(shape):
        raise UserError(f"'pixels' of event file '{url}' points outside of images of the shape {shape}")
