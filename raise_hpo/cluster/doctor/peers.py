"""What compute nodes find of each other: each answers the others' questions on a TCP port of its own.

They find each other by files in the doctor's folder, which shows that it is shared. Questions and answers are lines of
JSON; who does not know the secret in that folder, which only the user can read, gets no answer.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from raise_hpo.cluster.doctor import disk
from raise_hpo.cluster.doctor.facts import Peer

_ALL_PAIRS = 8
_SECONDS = 15.0
_FILE_SECONDS = 30.0
_LONGEST_LINE = 4096


class Answers:
    """A context in which this node answers other nodes, on a port that the system picks.

    Args:
        folder: The doctor's folder.
        address: The address to listen on.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        self._secret = secret(folder)
        self._socket = socket.create_server((address, 0))
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Answers:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone would not wake up the thread that accepts, which would take one more connection.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(_SECONDS)
        try:
            with connection, connection.makefile("rw") as lines:
                if lines.readline(_LONGEST_LINE).strip() != self._secret:
                    return
                while line := lines.readline(_LONGEST_LINE):
                    lines.write(json.dumps(self._answer(*json.loads(line))) + "\n")
                    lines.flush()
        except (OSError, ValueError):
            return

    def _answer(self, question: str, name: str) -> Any:
        path = self._folder / os.path.basename(name)
        match question:
            case "time":
                return time.time()
            case "see":
                return _seconds_until(lambda: name in os.listdir(self._folder) and path.read_text() == name)
            case "lock":
                return disk.is_kept_out(path)
        return None


def secret(folder: Path) -> str:
    """What nodes know each other by."""
    return (folder / "secret").read_text()


def neighbours(node: str, nodes: list[str]) -> list[str]:
    """Whom a node asks: all others of a few, of many those before and after it in a ring."""
    others = [other for other in nodes if other != node]
    if len(nodes) <= _ALL_PAIRS:
        return others
    here = nodes.index(node)
    return [nodes[here - 1], nodes[(here + 1) % len(nodes)]]


def ask(folder: Path, node: str, peer: str, host: str, port: int) -> Peer:
    """What this node finds of another one."""
    found = Peer()
    try:
        with socket.create_connection((host, port), timeout=_SECONDS) as connection:
            connection.settimeout(_FILE_SECONDS + _SECONDS)
            with connection.makefile("rw") as lines:
                lines.write(secret(folder) + "\n")
                _question(found, folder, f"{node}-{peer}", lambda *words: _exchange(lines, *words))
    except (OSError, ValueError) as error:
        found.problem = f"{host} port {port}: {getattr(error, 'strerror', None) or error}"
    return found


def _question(found: Peer, folder: Path, name: str, exchange: Callable[..., Any]) -> None:
    exchange("time", "")
    asked = time.time()
    told = exchange("time", "")
    found.ahead = told - (asked + time.time()) / 2
    seen = f"seen-{name}"
    (folder / seen).write_text(seen)
    found.file_seconds = exchange("see", seen)
    locked = f"lock-{name}"
    with disk.held_lock(folder / locked):
        found.lock_excludes = exchange("lock", locked)


def _exchange(lines: Any, *words: str) -> Any:
    lines.write(json.dumps(words) + "\n")
    lines.flush()
    answer = lines.readline()
    if not answer:
        raise ConnectionError("the other node broke off")
    return json.loads(answer)


def _seconds_until(look: Callable[[], bool]) -> float | None:
    began = time.monotonic()
    while time.monotonic() - began < _FILE_SECONDS:
        try:
            if look():
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.01)
    return None
