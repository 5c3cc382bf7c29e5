"""Public data sets by name: where their files are, and what they must be."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import requests

from raise_hpo.errors import UserError, first_line, nearest

OURS = Path(__file__).parent / "catalogue.toml"
_KEYS = ("about", "record", "files", "convert", "mirrors")
_SECONDS = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        name: Its name.
        size: Its size in bytes.
        checksum: ``md5:…`` or ``sha256:…``.
        urls: Where it can be had, the best place first.
    """

    name: str
    size: int
    checksum: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class PublicData:
    """A public data set.

    Attributes:
        name: What it is asked for by.
        about: What it is, in a line.
        record: The URL of its record in the interface of Zenodo (InvenioRDM): names, sizes and checksums of its files.
        files: A pattern of the files that belong to it.
        convert: What turns its files into event files: ``raise-hpo data convert …``; empty if nothing does.
        mirrors: URLs of folders with the same files.
    """

    name: str
    about: str
    record: str
    files: str = "*"
    convert: str = ""
    mirrors: tuple[str, ...] = ()

    def list_files(self, pattern: str | None = None, mirrors: Sequence[str] = ()) -> list[RemoteFile]:
        """Ask the record for the files.

        Args:
            pattern: Only the files of this pattern.
            mirrors: Folders to try before all others.

        Raises:
            UserError: The record cannot be read, or no file is like the pattern.
        """
        listed = _ask(self.record)
        names = [file["key"] for file in listed]
        wanted = [file for file in listed if fnmatch(file["key"], self.files) and fnmatch(file["key"], pattern or "*")]
        if not wanted:
            raise UserError(f"{self.record} has no file '{pattern or self.files}'; it has {_some(names)}")
        return [self._remote(file, mirrors) for file in sorted(wanted, key=lambda file: str(file["key"]))]

    def _remote(self, file: dict[str, Any], mirrors: Sequence[str]) -> RemoteFile:
        name = _plain(file["key"], self.record)
        copies = [f"{mirror.rstrip('/')}/{name}" for mirror in (*mirrors, *self.mirrors)]
        urls = (*copies[: len(mirrors)], file["links"]["self"], *copies[len(mirrors) :])
        return RemoteFile(name, int(file["size"]), file["checksum"], urls)


def _ask(record: str) -> list[dict[str, Any]]:
    try:
        answer = requests.get(record, timeout=_SECONDS)
        answer.raise_for_status()
        return list(answer.json()["files"])
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read the list of files at {record}: {first_line(error)}") from error


def _plain(name: str, record: str) -> str:
    """A file's name, which is to lead nowhere but into the folder it is fetched to."""
    if Path(name).name != name or name.startswith("."):
        raise UserError(f"{record} has a file with the odd name '{name}'; it is not fetched")
    return name


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return f"{shown}, … ({len(names)} files)" if len(names) > 5 else shown or "none"


def catalogue(file: Path | None = None) -> dict[str, PublicData]:
    """The known data sets, and those of a file of the user's own, which come first.

    Raises:
        UserError: The file cannot be read, or an entry of it lacks a key or has an unknown one.
    """
    found = _entries(OURS)
    return found if file is None else {**found, **_entries(file)}


def _entries(file: Path) -> dict[str, PublicData]:
    try:
        content = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the catalogue '{file}': {first_line(error)}") from error
    return {name: _entry(file, name, keys) for name, keys in content.items()}


def _entry(file: Path, name: str, keys: Any) -> PublicData:
    if not isinstance(keys, dict) or not keys.get("record"):
        raise UserError(f"catalogue '{file}': '{name}' should be a table with a 'record', the URL of its list of files")
    for key in keys:
        if key not in _KEYS:
            raise UserError(f"catalogue '{file}': '{name}' has an unknown key '{key}'; {nearest(key, _KEYS)}")
    return PublicData(name, **{"about": "", **keys, "mirrors": tuple(keys.get("mirrors", ()))})


def find_public(name: str, file: Path | None = None) -> PublicData:
    """The data set of a name.

    Raises:
        UserError: There is none; the nearest names are told.
    """
    known = catalogue(file)
    if name not in known:
        raise UserError(f"there is no public data set '{name}'; {nearest(name, list(known))}")
    return known[name]
