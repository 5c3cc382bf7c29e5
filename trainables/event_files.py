"""What the workloads' event files share: how they are written, and what is told of their making."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from raise_hpo.errors import UserError

from .blocks import Progress

Read = TypeVar("Read")


@contextmanager
def written_whole(path: Path, schema: pa.Schema, **options: Any) -> Iterator[pq.ParquetWriter]:
    """A writer of a Parquet file that appears under its name only when it is whole.

    Args:
        path: The file.
        schema: Its schema.
        options: Of the writer, besides those that all event files have.

    Raises:
        UserError: The folder does not exist or cannot be written to.
    """
    part = path.with_name(path.name + ".part")
    try:
        with pq.ParquetWriter(
            part, schema, compression="zstd", compression_level=9, use_dictionary=False, write_page_checksum=True,
            **options,
        ) as writer:  # fmt: skip
            yield writer
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"cannot write '{path}': {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def told_in(schema: pa.Schema, key: bytes) -> dict[str, Any]:
    """What a file's metadata tell under a key; nothing where they have it not."""
    stored = (schema.metadata or {}).get(key)
    return dict(json.loads(stored)) if stored else {}


def read_in_turn(
    sources: Sequence[str | Path], read: Callable[[Path], Iterator[Read]], progress: Progress | None
) -> Iterator[Read]:
    """What is read of public files, one after the other.

    Args:
        sources: The files.
        read: Reads one.
        progress: Told the file that is being read, its number and how many there are.
    """
    for number, source in enumerate(sources, 1):
        if progress:
            progress(Path(source).name, number, len(sources))
        yield from read(Path(source))


def converted_from(sources: Sequence[str | Path]) -> dict[str, Any]:
    """What is told of the making of a file that was converted."""
    return {"converted": [Path(source).name for source in sources]}
