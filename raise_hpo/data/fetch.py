"""Downloads that can break off anywhere: they go on where they were, from any mirror, and end with the right bytes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import requests

from raise_hpo.data.catalogue import RemoteFile
from raise_hpo.errors import UserError, first_line

Progress = Callable[[str, int, int], None]
"""Called with a file's name, its bytes that are here, and all its bytes."""

_ROUNDS = 3
_PAUSE = 2.0
_TIMEOUT = (10.0, 60.0)
_CHUNK = 2**16
_KINDS = ("md5", "sha256", "sha512")


def fetch_file(file: RemoteFile, folder: Path, progress: Progress | None = None, pause: float = _PAUSE) -> bool:
    """Fetch a file into a folder, where it appears under its name only when its checksum is right.

    What has come so far is kept beside it as ``NAME.part``; a later call goes on from there, also from another place.

    Args:
        file: The file.
        folder: The folder.
        progress: Told how far it is.
        pause: Seconds before the places are tried once more; twice as long each time.

    Returns:
        False if the right file was there already.

    Raises:
        UserError: No place gave the right file, or it cannot be written; each place's answer is told.
    """
    whole, part = folder / file.name, folder / f"{file.name}.part"
    if whole.exists() and _is_right(whole, file):
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(part, "ab") as stream:
            _alone(stream, part)
            _fetch(file, stream, progress or (lambda name, done, total: None), pause)
        os.replace(part, whole)
    except OSError as error:
        raise UserError(f"cannot write '{part}': {error.strerror or error}") from error
    return True


def _alone(stream: BinaryIO, part: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"another process is fetching '{part}'") from error


def _fetch(file: RemoteFile, stream: BinaryIO, progress: Progress, pause: float) -> None:
    answers: dict[str, str] = {}
    for turn in range(_ROUNDS):
        if turn:
            time.sleep(pause * 2 ** (turn - 1))
        for url in file.urls:
            try:
                _take(url, file, stream, progress)
            except requests.RequestException as error:
                answers[url] = first_line(error)
                continue
            if _is_right(Path(stream.name), file):
                return
            answers[url] = f"the file from there has another checksum than {file.checksum}"
            _empty(stream)
    told = "; ".join(f"{url}: {answer}" for url, answer in answers.items())
    raise UserError(f"cannot fetch '{file.name}' ({told}); call again to go on from what is here")


def _take(url: str, file: RemoteFile, stream: BinaryIO, progress: Progress) -> None:
    """Append what is missing from one place."""
    have = stream.seek(0, os.SEEK_END)
    if have > file.size:
        have = _empty(stream)
    if have == file.size:
        return
    with requests.get(url, headers={"Range": f"bytes={have}-"}, stream=True, timeout=_TIMEOUT) as answer:
        answer.raise_for_status()
        if not (answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")):
            # This place cannot begin in the middle.
            have = _empty(stream)
        for chunk in answer.iter_content(_CHUNK):
            stream.write(chunk)
            stream.flush()
            have += len(chunk)
            progress(file.name, have, file.size)
    if have < file.size:
        raise requests.ConnectionError(f"the connection ended after {have} of {file.size} bytes")


def _empty(stream: BinaryIO) -> int:
    stream.truncate(0)
    return 0


def _is_right(path: Path, file: RemoteFile) -> bool:
    """Whether a file has the size and checksum that it must have."""
    kind, _, value = file.checksum.partition(":")
    if kind not in _KINDS:
        raise UserError(f"'{file.name}' has a checksum of the unknown kind '{kind}'; known: {', '.join(_KINDS)}")
    if path.stat().st_size != file.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest() == value
