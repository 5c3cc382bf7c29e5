"""Event files of UCluster: one row is a jet (or, for anomaly detection, an event), kept as Parquet.

A file of jets has the columns of `JET_COLUMNS`; one of events for anomaly detection those of `EVENT_COLUMNS`.
``points`` holds the features of up to 100 constituents (`FEATURES`), flattened, in order of falling pT and followed by
zeros. Units are GeV and rad.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainables.event_files import check_types, readable, told_in, written_whole

POINTS = 100
"""Most constituents that a row holds; of more, those of highest pT."""
FEATURES = ("d_eta", "d_phi", "log_pt", "log_e", "log_pt_rel", "log_e_rel", "d_r", "pid")
"""What the 8 columns of ``points`` mean: the table of features of arXiv:2010.07106, relative to the jet."""
PID_NAMES = ("none", "charged hadron", "neutral hadron", "photon", "electron", "muon")
"""What the feature ``pid`` counts."""
LABELS = {"w": 0, "z": 1, "t": 2, "g": 3, "q": 4}
"""The number in ``label`` of each kind of jet."""
MASS_EDGES = np.append(np.linspace(0.0, 200.0, 20), 10_000.0)
"""Edges of the 20 intervals of jet mass in GeV (``prepare_data_multi.py`` of ViniciusMikuni/UCluster)."""
ANOMALY_MASS_EDGES = np.append(np.linspace(10.0, 1000.0, 20), 100_000.0)
"""Edges of the mass intervals of anomaly detection in GeV (``prepare_data_unsup.py`` there)."""
ROW_GROUP = 1000
"""Rows in a row group: the unit that a worker reads."""

JET_COLUMNS: dict[str, pa.DataType] = {
    "points": pa.list_(pa.float32(), POINTS * len(FEATURES)),
    "pdgid": pa.list_(pa.int32(), POINTS),
    "n_const": pa.int16(),
    "n_const_all": pa.int16(),
    "label": pa.int8(),
    "mass_cat": pa.int8(),
    **{name: pa.float32() for name in ("jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_e", "jet_mass_sd")},
}
"""A row of a file of jets: ``n_const`` of its ``n_const_all`` constituents are kept; ``jet_mass_sd`` is groomed."""
EVENT_COLUMNS: dict[str, pa.DataType] = {
    "points": pa.list_(pa.float32(), POINTS * len(FEATURES)),
    "point_cat": pa.list_(pa.int8(), POINTS),
    "globals": pa.list_(pa.float32(), 4),
    "n_const": pa.int16(),
    "label": pa.int8(),
    "dijet_mass": pa.float32(),
}
"""A row of a file of events: the constituents of its two heaviest jets, the mass interval of each one's jet (from 1;
0 is padding), log mass and tau21 of both jets, whether it is signal (1) or background (0), and the jets' joint mass."""

_METADATA_KEY = b"jets"


def mass_category(mass: NDArray[np.floating], edges: NDArray[np.float64] = MASS_EDGES) -> NDArray[np.int8]:
    """Return the interval that each mass in GeV falls into, from 0; masses beyond the edges go to the outer ones."""
    return np.clip(np.searchsorted(edges, mass, side="right") - 1, 0, len(edges) - 2).astype(np.int8)


def schema(columns: Mapping[str, pa.DataType], provenance: Mapping[str, Any]) -> pa.Schema:
    """Return the Arrow schema of files with these columns, with what made them in its metadata."""
    described = {"features": FEATURES, "shape": [POINTS, len(FEATURES)], **provenance}
    return pa.schema(list(columns.items()), metadata={_METADATA_KEY: json.dumps(described, sort_keys=True)})


def to_table(arrays: Mapping[str, NDArray[Any]], columns: Mapping[str, pa.DataType] = JET_COLUMNS) -> pa.Table:
    """Put arrays, ``(rows,)`` or ``(rows, ...)``, into a table of the given columns."""
    return pa.table({name: _column(arrays[name], kind) for name, kind in columns.items()})


def _column(values: NDArray[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(values, kind)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind.value_type), kind.list_size)


def write_rows(
    tables: Iterable[pa.Table],
    path: str | Path,
    provenance: Mapping[str, Any],
    columns: Mapping[str, pa.DataType] = JET_COLUMNS,
) -> int:
    """Write tables one after the other to a Parquet file and return how many rows there were.

    The file appears under its name only when it is whole.

    Raises:
        UserError: the folder does not exist or cannot be written to.
    """
    described, count = schema(columns, provenance), 0
    with written_whole(Path(path), described) as writer:
        for group in _regrouped(tables, described):
            writer.write_table(group.replace_schema_metadata(described.metadata), row_group_size=ROW_GROUP)
            count += len(group)
    return count


def _regrouped(tables: Iterable[pa.Table], described: pa.Schema) -> Iterable[pa.Table]:
    """Cut a stream of tables into tables of `ROW_GROUP` rows; the last one has what is left."""
    held = described.empty_table().replace_schema_metadata(None)
    for table in tables:
        held = pa.concat_tables([held, table])
        while len(held) >= ROW_GROUP:
            yield held.slice(0, ROW_GROUP)
            held = held.slice(ROW_GROUP)
    if len(held):
        yield held


def check_rows(path: str | Path, columns: Iterable[str], known: Mapping[str, pa.DataType] = JET_COLUMNS) -> None:
    """Check a local event file by its footer, whatever its size.

    Raises:
        UserError: the file is missing, is not whole Parquet, or a column is missing or of another type.
    """
    with readable(path, "jets"):
        present = pq.read_schema(path)
    check_types(path, present, columns, known)


def provenance(path: str | Path) -> dict[str, Any]:
    """Return what made an event file, as its metadata tell; empty where they do not."""
    return told_in(pq.read_schema(path), _METADATA_KEY)
