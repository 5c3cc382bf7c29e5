"""Parquet files behind paths and URLs: found by fsspec, described by their footers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import PurePosixPath
from typing import Any

import fsspec
import pyarrow.parquet as pq

from raise_hpo.data.columns import Shape, fits, words
from raise_hpo.errors import UserError, first_line, nearest

Source = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A path or any fsspec URL of a Parquet file, a folder of them or a pattern with ``*``; or a list of these."""

_FOOTERS_AT_ONCE = 16


@dataclass(frozen=True)
class ParquetSource:
    """One Parquet file.

    Attributes:
        url: As it was named, for messages.
        system: The file system that has it.
        path: Its path there.
        footer: What the file says of itself.
    """

    url: str
    system: Any
    path: str
    footer: pq.FileMetaData

    @contextmanager
    def opened(self) -> Iterator[pq.ParquetFile]:
        """The file, open for reading.

        Raises:
            UserError: It cannot be read, or is damaged.
        """
        with _readable(self.url), self.system.open(self.path, "rb") as file:
            # Not buffered ahead by Arrow: whole row groups are read ahead by us, and their memory is counted.
            yield pq.ParquetFile(file, metadata=self.footer, pre_buffer=False, page_checksum_verification=True)

    def stamp(self) -> tuple[str, int, str]:
        """What changes when the file does."""
        info = self.system.info(self.path)
        changed = info.get("mtime") or info.get("LastModified") or info.get("ETag") or ""
        return self.url, int(info.get("size") or 0), str(changed)


def find_parquet(source: Source) -> list[ParquetSource]:
    """The Parquet files of a source, in the order named, those of a folder by name.

    Raises:
        UserError: There is none, one cannot be read, or the file system's package is not installed.
    """
    named = [source] if isinstance(source, str | PathLike) else list(source)
    places = [place for name in named for place in _places(fspath(name))]
    if not places:
        raise UserError("data: no Parquet file is named")
    with ThreadPoolExecutor(min(_FOOTERS_AT_ONCE, len(places))) as pool:
        return list(pool.map(lambda place: _with_footer(*place), places))


def _places(name: str) -> list[tuple[str, Any, str]]:
    """URL, file system and path of each file that a name stands for."""
    try:
        system, path = fsspec.core.url_to_fs(name)
        if "*" in path:
            found = sorted(system.glob(path))
        elif not path.endswith(".parquet") and system.isdir(path):
            # Not asked of what is a file by its name: over HTTP, the answer would be the whole file.
            found = sorted(entry for entry in system.ls(path, detail=False) if entry.endswith(".parquet"))
        else:
            return [(name, system, path)]
    except Exception as error:  # each file system has errors of its own
        raise UserError(f"data: cannot read '{name}': {first_line(error)}") from error
    if not found:
        raise UserError(f"data: there is no Parquet file in '{name}'")
    return [(_member(name, path), system, path) for path in found]


def _member(name: str, path: str) -> str:
    """The URL of a file that was found under another name."""
    scheme, separator, _ = name.partition("://")
    return f"{scheme}://{path.removeprefix(f'{scheme}://')}" if separator else path


def _with_footer(url: str, system: Any, path: str) -> ParquetSource:
    with _readable(url), system.open(path, "rb") as file:
        return ParquetSource(url, system, path, pq.read_metadata(file))


@contextmanager
def _readable(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"data: there is no file '{url}'") from error
    except UserError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise UserError(f"data: '{url}' is not a readable Parquet file: {first_line(error)}") from error


def check_columns(files: Sequence[ParquetSource], shapes: Mapping[str, Shape]) -> None:
    """Check by their footers that files have columns of the given shapes.

    Raises:
        UserError: A column is missing or holds something else; file, column and what is valid are named.
    """
    for file in files:
        schema = file.footer.schema.to_arrow_schema()
        for name, shape in shapes.items():
            if name not in schema.names:
                raise UserError(f"data: '{file.url}' has no column '{name}'; {nearest(name, schema.names)}")
            kind = schema.field(name).type
            if not fits(kind, shape):
                raise UserError(
                    f"data: column '{name}' of '{file.url}' holds {kind}; {PurePosixPath(file.path).name} needs "
                    f"{words(shape)} there"
                )
