"""Turn files of other programs into our event files: HDF5 of KevLAr and of LArCV3, told apart by what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raise_hpo.errors import UserError, first_line
from trainables.blocks import Progress
from trainables.event_files import converted_from, read_in_turn

from .kevlar import is_kevlar, read_kevlar
from .larcv3 import is_larcv3, read_larcv3
from .schema import Event, Shape, write_events


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """An HDF5 file, open; whatever h5py says of it while it is read is told in a sentence."""
    try:
        import h5py
    except ImportError as error:
        raise UserError("reading HDF5 files needs h5py: install raise-hpo[generate]") from error
    if not Path(path).is_file():
        raise UserError(f"no file '{path}'")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except UserError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"'{path}' is not a readable HDF5 file of images: {first_line(error)}") from error


def _read(path: str | Path, file: Any) -> tuple[Shape, Iterator[Event]]:
    if is_kevlar(file):
        return read_kevlar(str(path), file)
    if is_larcv3(file):
        return read_larcv3(str(path), file)
    raise UserError(
        f"'{path}' is neither a file of KevLAr, with 'image/wires' or 'image/rawdigits', nor one of LArCV3, with 'Data'"
    )


def read_shape(path: str | Path) -> Shape:
    """Planes, ticks and wires of the images of a file.

    Raises:
        UserError: The file is missing, of an unknown kind, or damaged.
    """
    with _opened(path) as file:
        return _read(path, file)[0]


def read_events(path: str | Path) -> Iterator[Event]:
    """Read a file's events one by one; those of particles that are no class of ours are left out.

    Raises:
        UserError: The file is missing, of an unknown kind, or damaged.
    """
    with _opened(path) as file:
        yield from _read(path, file)[1]


def convert_files(sources: Sequence[str | Path], path: str | Path, progress: Progress | None = None) -> int:
    """Turn files into one Parquet file and return its number of events.

    Args:
        sources: The files, in the order wanted.
        path: The Parquet file to write.
        progress: Told the file that is being read, its number and how many there are.

    Raises:
        UserError: A source cannot be read, has images of another shape than the first, or has no single particles of
            our classes; or the result cannot be written.
    """
    if not sources:
        raise UserError("no file to convert is named")
    shapes = [read_shape(source) for source in sources]
    for source, shape in zip(sources, shapes, strict=True):
        if shape != shapes[0]:
            raise UserError(f"images of '{source}' have the shape {shape}, those of '{sources[0]}' {shapes[0]}")
    return write_events(read_in_turn(sources, _some, progress), path, shapes[0], converted_from(sources))


def _some(source: Path) -> Iterator[Event]:
    """The events of a source, of which there must be some."""
    found = 0
    for event in read_events(source):
        found += 1
        yield event
    if not found:
        raise UserError(f"'{source}' has no event of a single particle of our classes: gamma, e+-, mu+-, pi+-, K+-")
