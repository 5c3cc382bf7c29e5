"""The journal: an append-only file with one checksummed JSON event a line, the record of all that a study did.

A line is ``{"seq":7,"time":1760000000.0,"event":"reported",...,"crc":"0badc0de"}``: `crc` is the CRC-32 of the line
without it. Events are written and synced before anything acts upon them; a torn last line (the writer was killed) is
dropped, a damaged line before it is an error with its number.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from raise_hpo.errors import UserError

Event = dict[str, Any]

EVENTS = (
    "study", "suggested", "started", "reported", "checkpointed", "decided", "finished", "failed", "guarded",
    "exhausted", "stopped", "resumed", "capacity", "excluded", "handed_back",
)  # fmt: skip

_CRC = ',"crc":"'


class JournalError(UserError):
    """A journal is missing, damaged before its last line, or held by another driver."""


def _plain(value: Any) -> Any:
    """JSON has no NaN or infinity: they are written as the strings that `float` reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def encode(event: Mapping[str, Any]) -> bytes:
    """One line of the journal, newline included."""
    body = json.dumps(_plain(event), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    crc = zlib.crc32(body.encode())
    return f'{body[:-1]}{_CRC}{crc:08x}"}}\n'.encode()


def decode(line: bytes) -> Event | None:
    """The event of a line, or None if the line is torn or its checksum does not fit."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    body, mark, tail = text.rpartition(_CRC)
    if not mark or f'{zlib.crc32((body + "}").encode()):08x}"}}\n' != tail:
        return None
    event: Event = json.loads(body + "}")
    event.pop("crc", None)
    return event


def read(path: Path) -> list[Event]:
    """All events of a journal, in order.

    Raises:
        JournalError: There is no journal, or a line before the last one is damaged (its number is named).
    """
    return list(iterate(path))


def iterate(path: Path, start: int = 0) -> Iterator[Event]:
    """The events from sequence number `start` on; a torn last line is left out.

    Raises:
        JournalError: As for `read`.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise JournalError(f"{path} cannot be read ({error.strerror}): a study folder holds a journal.jsonl") from error
    for number, line in enumerate(lines, 1):
        event = decode(line)
        if event is None:
            if number == len(lines):
                return
            raise JournalError(
                f"{path} line {number} is damaged (its checksum does not fit); the lines before it are sound"
            )
        if event["seq"] >= start:
            yield event


class Journal:
    """The one writer of a study's journal.

    Args:
        path: The file; made if missing, continued after its last sound line otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seq = 0
        self._size = 0
        if path.exists():
            for event in iterate(path):
                self.seq = event["seq"] + 1
                self._size += len(encode(event))
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        self._cut_back()

    def _cut_back(self) -> None:
        """Remove what a killed or failed write left of a line: it must not stand in front of the next one."""
        os.ftruncate(self._file, self._size)
        os.lseek(self._file, self._size, os.SEEK_SET)

    def append(self, events: Iterable[Event]) -> None:
        """Number, write and sync events in one go; they are on disk when this returns.

        Raises:
            JournalError: The file system refused (full, quota, gone); nothing must be acted upon then.
        """
        numbered = [{"seq": seq, **event} for seq, event in enumerate(events, self.seq)]
        raw = b"".join(map(encode, numbered))
        try:
            _write_all(self._file, raw)
            os.fdatasync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut_back()
            raise JournalError(
                f"{self.path} cannot be written ({error.strerror}); the study stops here, resumable"
            ) from error
        self._size += len(raw)
        self.seq += len(numbered)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_all(file: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(file, raw) :]
