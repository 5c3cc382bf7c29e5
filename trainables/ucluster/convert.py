"""Turn public files into our event files: HLS4ML jets (Zenodo 3602254, 3602260), LHC Olympics events (2629073)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raise_hpo.errors import UserError
from trainables.blocks import Progress
from trainables.event_files import converted_from, read_in_turn

from .hdf5 import open_hdf5
from .hls4ml import holds_jets, read_jets
from .lhco import holds_events, read_events
from .schema import EVENT_COLUMNS, JET_COLUMNS, write_rows


def convert_files(sources: Sequence[str | Path], path: str | Path, progress: Progress | None = None) -> int:
    """Turn public HDF5 files into one Parquet file and return its number of rows.

    Files of HLS4ML give jets, files of the LHC Olympics 2020 give events for anomaly detection; which, the files show.

    Args:
        sources: the files, in the order wanted, all of one kind.
        path: the Parquet file to write.
        progress: told the file that is being read, its number and how many there are.

    Raises:
        UserError: a source cannot be read or is of another kind than the first, or the result cannot be written.
    """
    if not sources:
        raise UserError("name at least one HDF5 file to convert")
    kinds = [_kind(Path(source)) for source in sources]
    for source, kind in zip(sources, kinds, strict=True):
        if kind != kinds[0]:
            raise UserError(f"'{source}' holds {kind} and '{sources[0]}' {kinds[0]}; convert them one kind at a time")
    read, columns = (read_jets, JET_COLUMNS) if kinds[0] == "jets" else (read_events, EVENT_COLUMNS)
    return write_rows(read_in_turn(sources, read, progress), path, converted_from(sources), columns)


def _kind(path: Path) -> str:
    with open_hdf5(path) as file:
        if holds_jets(file):
            return "jets"
        if holds_events(file):
            return "events"
        found = ", ".join(file) or "nothing"
    raise UserError(f"'{path}' holds {found}, neither HLS4ML jets ('jets') nor LHC Olympics events ('df')")
