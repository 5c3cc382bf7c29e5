"""What the workloads' event files share: how they are named, written and checked, and what tells of their making."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from raise_hpo.errors import UserError, first_line, nearest
from raise_hpo.trial.sections import check_data_keys

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


def named_sources(data: Mapping[str, Any], keys: Sequence[str], trainable: str, sample: Path) -> tuple[Any, Any]:
    """The sources of training and validation events that a study's ``data`` section names, or else the sample's files.

    Args:
        data: The section.
        keys: What it may hold.
        trainable: The trainable's name, for messages.
        sample: The folder of the sample that ships with the trainable.

    Raises:
        UserError: A key is unknown, missing or has an impossible value.
    """
    check_data_keys(data, keys, trainable)
    train, valid = (data.get(name) or str(sample / f"{name}.parquet") for name in ("train", "valid"))
    return train, valid


def check_enough(count: int, what: str, workers: int, each: int = 1) -> None:
    """Check that each of a trial's workers has something to train on.

    Args:
        count: Rows of the training data.
        what: What a row is, for the message: ``events``.
        workers: The trial's workers.
        each: Rows that a worker needs at least.

    Raises:
        UserError: There are fewer.
    """
    if count < each * workers:
        raise UserError(f"data: {count} training {what} are too few for {workers} workers")


@contextmanager
def readable(path: str | Path, maker: str) -> Iterator[None]:
    """Say in a sentence why a local event file cannot be read.

    Args:
        path: The file.
        maker: The generator that makes such files, as ``raise-hpo data generate`` has it.

    Raises:
        UserError: The file is missing, or is not whole Parquet.
    """
    if not Path(path).is_file():
        raise UserError(f"no event file '{path}'; make one with 'raise-hpo data generate {maker}'")
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"'{path}' is not a readable Parquet file: {first_line(error)}") from error


def check_types(file: str | Path, present: pa.Schema, wanted: Iterable[str], types: Mapping[str, pa.DataType]) -> None:
    """Check that an event file has columns, of the types that event files of its kind have.

    Args:
        file: Its path or URL, for messages.
        present: Its schema.
        wanted: The columns.
        types: The type of each column; one that is not among them may have any.

    Raises:
        UserError: A column is missing or of another type.
    """
    for name in wanted:
        if name not in present.names:
            raise UserError(f"event file '{file}' has no column '{name}'; {nearest(name, present.names)}")
        found = present.field(name).type
        if not found.equals(types.get(name, found)):
            raise UserError(f"column '{name}' of event file '{file}' has type {found}, it should be {types[name]}")


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
