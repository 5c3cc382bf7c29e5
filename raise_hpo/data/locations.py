"""Where Parquet files are: names, folders and patterns looked up by fsspec, with what changes when a file does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import fsspec

from raise_hpo.errors import UserError, first_line

Source = str | PathLike[str] | Sequence[str | PathLike[str]]
"""A path or any fsspec URL of a Parquet file, a folder of them or a pattern with ``*``; or a list of these."""

AT_ONCE = 16
"""Files that are asked for at the same time."""

# What the file systems of fsspec call a file's time, version or checksum.
_TELLTALES = (
    "mtime", "created", "modified", "updated", "last_modified", "LastModified", "Last-Modified", "generation", "etag",
    "ETag", "checksum", "md5", "md5Hash", "Content-MD5", "Digest", "sha",
)  # fmt: skip


@dataclass(frozen=True)
class Location:
    """A file; two are the same where the URL is, and the file has not changed in between.

    Attributes:
        url: As it was named, for messages.
        size: Its bytes; 0 where the file system does not tell.
        changed: What changes when the file does, besides its size; empty where the file system tells nothing.
        system: The file system that has it.
        path: Its path there.
        in_parts: Whether parts of it can be read.
    """

    url: str
    size: int
    changed: str
    system: Any = field(compare=False)
    path: str = field(compare=False)
    in_parts: bool = field(compare=False, default=True)

    def open(self) -> Any:
        """Open the file for reading."""
        takes_size = "size" in inspect.signature(self.system._open).parameters
        # Told the size, fsspec does not ask a web server for it once more.
        known = {"size": self.size} if takes_size and self.size and self.in_parts else {}
        return self.system.open(self.path, "rb", **known)


@contextmanager
def readable(url: str) -> Iterator[None]:
    """Say in a sentence what went wrong with a file.

    Raises:
        UserError: Anything went wrong.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"data: there is no file '{url}'") from error
    except UserError:
        raise
    except Exception as error:  # each file system has errors of its own
        raise UserError(f"data: '{url}' is not a readable Parquet file: {first_line(error)}") from error


def locate(source: Source) -> list[Location]:
    """The files that a source stands for, in the order named, those of a folder by name.

    A folder or a pattern costs one listing. A file that is named, or of which the listing tells too little, costs one
    question more.

    Raises:
        UserError: There is none, one cannot be asked for, or the file system's package is not installed.
    """
    named = [source] if isinstance(source, str | PathLike) else list(source)
    found = [each for name in named for each in _listed(fspath(name))]
    if not found:
        raise UserError("data: no Parquet file is named")
    with ThreadPoolExecutor(min(AT_ONCE, len(found))) as pool:
        return list(pool.map(lambda each: _location(*each), found))


def _listed(name: str) -> list[tuple[str, Any, str, Mapping[str, Any]]]:
    """URL, file system, path and what a listing tells, of each file that a name stands for."""
    try:
        system, path = fsspec.core.url_to_fs(name)
        # What was listed earlier may have changed.
        system.invalidate_cache()
        if "*" in path:
            entries = dict(system.glob(path, detail=True))
        elif not path.endswith(".parquet") and system.isdir(path):
            # Not asked of what is a file by its name: over HTTP, the answer would be the whole file.
            entries = {each["name"]: each for each in system.ls(path, detail=True) if each["name"].endswith(".parquet")}
        else:
            return [(name, system, path, {})]
    except Exception as error:  # each file system has errors of its own
        raise UserError(f"data: cannot read '{name}': {first_line(error)}") from error
    if not entries:
        raise UserError(f"data: there is no Parquet file in '{name}'")
    return [(_member(name, path), system, path, entries[path]) for path in sorted(entries)]


def _member(name: str, path: str) -> str:
    """The URL of a file that was found under another name."""
    scheme, separator, _ = name.partition("://")
    return f"{scheme}://{path.removeprefix(f'{scheme}://')}" if separator else path


def _location(url: str, system: Any, path: str, listed: Mapping[str, Any]) -> Location:
    with readable(url):
        # A listing has the time of a link itself.
        enough = listed.get("size") and _changed(listed) and not listed.get("islink")
        info = listed if enough else system.info(path)
    return Location(url, int(info.get("size") or 0), _changed(info), system, path, bool(info.get("partial", True)))


def _changed(info: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={info[name]}" for name in _TELLTALES if info.get(name))
