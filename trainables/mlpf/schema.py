"""Event files of MLPF: the columns of the public format (Zenodo 4559324), kept as Parquet.

One row of a file is one event. ``X`` holds its detector elements, tracks first, then ECAL and HCAL towers; ``ygen``
and ``ycand`` are aligned with it: the generated particle that an element should become, and the candidate that the
rule-based reconstruction made of it. ``n`` is the number of elements, ``npu`` that of pile-up collisions (-1 where it
is not known). Units are GeV and rad.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from raise_hpo.errors import UserError
from trainables.event_files import check_types, readable, told_in, written_whole

TOWER, TRACK = 1, 2
NONE, CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON = range(6)
CLASS_NAMES = ("none", "charged hadron", "neutral hadron", "photon", "electron", "muon")
TRACK_FEATURES = (
    *("type", "pt", "eta", "sin_phi", "cos_phi", "p"),
    *("eta_outer", "sin_phi_outer", "cos_phi_outer", "charge", "is_gen_muon", "is_gen_electron"),
)
"""What the 12 columns of ``X`` mean where the first is ``TRACK``."""
TOWER_FEATURES = ("type", "et", "eta", "sin_phi", "cos_phi", "e", "e_em", "e_had", "zero", "zero", "zero", "zero")
"""What the 12 columns of ``X`` mean where the first is ``TOWER``."""
PARTICLE_FEATURES = ("class", "charge", "pt", "eta", "sin_phi", "cos_phi", "e")
"""What the 7 columns of ``ygen`` and ``ycand`` mean."""
WIDTHS = {"X": len(TRACK_FEATURES), "ygen": len(PARTICLE_FEATURES), "ycand": len(PARTICLE_FEATURES)}
ROW_GROUP = 16
"""Events in a row group: the unit that a worker reads."""

_METADATA_KEY = b"mlpf"
_VECTORS = {name: pa.list_(pa.list_(pa.float32(), width)) for name, width in WIDTHS.items()}
_TYPES = {**_VECTORS, "n": pa.int32(), "npu": pa.int16()}


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        x: ``(n, 12)``, the detector elements.
        ygen: ``(n, 7)``, the generated particle of each.
        ycand: ``(n, 7)``, the reference candidate of each.
        npu: number of pile-up collisions, -1 where it is not known.
    """

    x: NDArray[np.float32]
    ygen: NDArray[np.float32]
    ycand: NDArray[np.float32]
    npu: int = -1


def event_schema(provenance: Mapping[str, Any]) -> pa.Schema:
    """Return the Arrow schema of event files with ``provenance`` (what made them) in its metadata."""
    return pa.schema(list(_TYPES.items()), metadata={_METADATA_KEY: json.dumps(dict(provenance), sort_keys=True)})


def write_events(events: Iterable[Event], path: str | Path, provenance: Mapping[str, Any]) -> int:
    """Write events to a Parquet file and return how many there were.

    The file appears under its name only when it is whole.

    Raises:
        UserError: the folder does not exist or cannot be written to.
    """
    schema, count, stream = event_schema(provenance), 0, iter(events)
    with written_whole(Path(path), schema) as writer:
        while group := list(islice(stream, ROW_GROUP)):
            writer.write_table(_table(group, schema), row_group_size=ROW_GROUP)
            count += len(group)
    return count


def _table(events: Sequence[Event], schema: pa.Schema) -> pa.Table:
    columns = [
        _vectors([event.x for event in events], "X"),
        _vectors([event.ygen for event in events], "ygen"),
        _vectors([event.ycand for event in events], "ycand"),
        pa.array([len(event.x) for event in events], pa.int32()),
        pa.array([event.npu for event in events], pa.int16()),
    ]
    return pa.table(columns, schema=schema)


def _vectors(arrays: Sequence[NDArray[Any]], column: str) -> pa.Array:
    width = WIDTHS[column]
    offsets = np.cumsum([0, *(len(array) for array in arrays)]).astype(np.int32)
    values = np.concatenate([array.reshape(-1, width) for array in arrays]).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), width)
    return pa.ListArray.from_arrays(pa.array(offsets), vectors, type=_VECTORS[column])


def open_events(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read an event file, or some of its columns.

    Args:
        path: the Parquet file.
        columns: names of the columns to read; all by default.

    Raises:
        UserError: the file is missing, is not readable Parquet, or a column is missing or of another type.
    """
    wanted = list(_TYPES if columns is None else columns)
    check_events(path, wanted)
    with readable(path, "mlpf"):
        table = pq.read_table(path, columns=wanted, page_checksum_verification=True)
    _check_lengths(path, table)
    return table


def check_events(path: str | Path, columns: Sequence[str]) -> None:
    """Check an event file by its footer, whatever its size.

    Raises:
        UserError: the file is missing, is not whole Parquet, or a column is missing or of another type.
    """
    with readable(path, "mlpf"):
        present = pq.read_schema(path)
    check_types(path, present, columns, _TYPES)


def _check_lengths(path: str | Path, table: pa.Table) -> None:
    vectors = [name for name in table.column_names if name in WIDTHS]
    lengths = [pc.list_value_length(table[name]) for name in vectors]
    for name, length in zip(vectors[1:], lengths[1:], strict=True):
        if not length.equals(lengths[0]):
            raise UserError(f"event file '{path}' is damaged: '{name}' and '{vectors[0]}' differ in length")


def provenance(table: pa.Table) -> dict[str, Any]:
    """Return what made an event file, as its metadata tell; empty where they do not."""
    return told_in(table.schema, _METADATA_KEY)


def rows(table: pa.Table, column: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return a vector column of all events at once.

    Returns:
        The values, ``(total, width)``, and the offsets, ``(events + 1,)``: event ``i`` owns the rows
        ``offsets[i]`` to ``offsets[i + 1]``.
    """
    lists = table[column].combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    values = lists.flatten().flatten().to_numpy(zero_copy_only=False).reshape(-1, WIDTHS[column])
    return values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def events(table: pa.Table) -> Iterator[Event]:
    """Iterate over the events of a table that has all columns."""
    (x, offsets), (ygen, _), (ycand, _) = (rows(table, name) for name in WIDTHS)
    for i, npu in enumerate(table["npu"].to_pylist()):
        own = slice(offsets[i], offsets[i + 1])
        yield Event(x[own], ygen[own], ycand[own], npu)


def repaired_candidates(ycand: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill in what the public format leaves out of ``ycand``: E of charged candidates, pT of neutral ones.

    Both follow from ``E = pT cosh(eta)``, the mass being neglected.

    Args:
        ycand: ``(n, 7)``.

    Returns:
        A repaired copy.
    """
    whole = ycand.copy()
    pt, eta, energy = ycand[:, 2], ycand[:, 3], ycand[:, 6]
    whole[:, 6] = np.where(energy == 0, pt * np.cosh(eta), energy)
    whole[:, 2] = np.where(pt == 0, energy / np.cosh(eta), pt)
    return whole
