"""Parquet files behind paths and URLs, described by their footers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow.parquet as pq

from raise_hpo.data.footers import digest_of, footer_of
from raise_hpo.data.locations import AT_ONCE, Location, Source, locate, readable
from raise_hpo.data.shapes import Shape, fits, words
from raise_hpo.errors import UserError, nearest

__all__ = ["ParquetSource", "Source", "check_columns", "find_parquet"]


@dataclass(frozen=True)
class ParquetSource:
    """One Parquet file.

    Attributes:
        location: Where it is.
        footer: What the file says of itself.
    """

    location: Location
    footer: pq.FileMetaData

    @property
    def url(self) -> str:
        """As it was named, for messages."""
        return self.location.url

    @contextmanager
    def opened(self) -> Iterator[pq.ParquetFile]:
        """The file, open for reading.

        Raises:
            UserError: It cannot be read, or is damaged.
        """
        with readable(self.url), self.location.open() as file:
            # Not buffered ahead by Arrow: whole row groups are read ahead by us, and their memory is counted.
            yield pq.ParquetFile(file, metadata=self.footer, pre_buffer=False, page_checksum_verification=True)

    def stamp(self) -> tuple[str, int, str]:
        """What changes when the file does."""
        return self.url, self.location.size, self.location.changed or digest_of(self.footer)


def find_parquet(source: Source, cache: Path | None = None) -> list[ParquetSource]:
    """The Parquet files of a source, in the order named, those of a folder by name.

    Args:
        source: A path or URL of a file, a folder or a pattern; or a list of these.
        cache: The node's cache, where footers are kept; in this process's memory only if None.

    Raises:
        UserError: There is none, one cannot be read, or the file system's package is not installed.
    """
    found = locate(source)
    with ThreadPoolExecutor(min(AT_ONCE, len(found))) as pool:
        return list(pool.map(lambda location: ParquetSource(location, footer_of(location, cache)), found))


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
                needed = f"{PurePosixPath(file.location.path).name} needs {words(shape)} there"
                raise UserError(f"data: column '{name}' of '{file.url}' holds {kind}; {needed}")
