"""The footers of Parquet files, read once a node as long as the files do not change."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from raise_hpo.data.copies import node_copy
from raise_hpo.data.locations import Location, readable

_HELD = 4096
_SEAL_BYTES = hashlib.sha256().digest_size


def footer_of(location: Location, cache: Path | None = None) -> pq.FileMetaData:
    """A file's footer: from this process's memory, from the node's cache, or else from the file.

    A file whose system tells neither a time nor a checksum is read each time, as a change of it could not be noticed.

    Args:
        location: The file.
        cache: The node's cache, where footers are kept for all its processes; in memory only if None.

    Raises:
        UserError: The file cannot be read, or is no whole Parquet.
    """
    return _held(_Asked(location, cache)) if location.changed else _read(location)


def digest_of(footer: pq.FileMetaData) -> str:
    """A checksum of all that a footer says: sizes, places and statistics of the columns among it."""
    return hashlib.sha256(_bytes_of(footer)).hexdigest()


@dataclass(frozen=True)
class _Asked:
    """A footer that is asked for; where it would be kept makes no other one of it."""

    location: Location
    cache: Path | None = field(compare=False)


@lru_cache(maxsize=_HELD)
def _held(asked: _Asked) -> pq.FileMetaData:
    location, cache = asked.location, asked.cache
    if cache is None:
        return _read(location)
    key = ["footer", location.url, location.size, location.changed]
    try:
        entry = node_copy(cache, key, lambda path: _keep(_read(location), path), sound=_is_sound)
        return _parsed(entry.read_bytes()[_SEAL_BYTES:])
    except OSError:
        # A node whose disk is full can still train on rows that are streamed.
        return _read(location)


def _read(location: Location) -> pq.FileMetaData:
    with readable(location.url), location.open() as file:
        return pq.read_metadata(file)


def _keep(footer: pq.FileMetaData, path: Path) -> None:
    raw = _bytes_of(footer)
    path.write_bytes(hashlib.sha256(raw).digest() + raw)


def _is_sound(entry: Path) -> bool:
    kept = entry.read_bytes()
    return hashlib.sha256(kept[_SEAL_BYTES:]).digest() == kept[:_SEAL_BYTES]


def _bytes_of(footer: pq.FileMetaData) -> bytes:
    buffer = io.BytesIO()
    footer.write_metadata_file(buffer)
    return buffer.getvalue()


def _parsed(raw: bytes) -> pq.FileMetaData:
    return pq.read_metadata(pa.BufferReader(raw))
