"""A web server that serves byte ranges of a folder's files, and remembers what it was asked for."""

from __future__ import annotations

import http.server
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .web import listening


@dataclass
class Remote:
    """The server.

    Attributes:
        folder: What it serves.
        url: Its address.
        dated: Whether it tells when a file changed.
        slowness: Seconds that it takes to answer for a part of a file.
        asked: Method and path of each request.
        sent: Bytes of files that went out.
    """

    folder: Path
    url: str = ""
    dated: bool = True
    slowness: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0

    def read(self) -> list[str]:
        """The files of which a part was read since the last call, each as often as it was."""
        found = sorted(path for method, path in self.asked if method == "GET")
        self.asked.clear()
        return found


@contextmanager
def serving_folder(folder: Path, dated: bool = True, slowness: float = 0.0) -> Iterator[Remote]:
    """Run a server on a port of its own."""
    remote = Remote(folder, dated=dated, slowness=slowness)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def do_HEAD(self) -> None:
            remote.asked.append(("HEAD", self.path))
            path = Path(self.translate_path(self.path))
            if path.is_file():
                self._begin(200, path, path.stat().st_size)
            else:
                self.send_error(404)

        def do_GET(self) -> None:
            remote.asked.append(("GET", self.path))
            path = Path(self.translate_path(self.path))
            if not path.is_file():
                super().do_GET()
                return
            time.sleep(remote.slowness)
            body = path.read_bytes()
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            part = body[first : last + 1]
            remote.sent += len(part)
            self._begin(206, path, len(part), f"bytes {first}-{first + len(part) - 1}/{len(body)}")
            self.wfile.write(part)

        def _begin(self, status: int, path: Path, length: int, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(length))
            if content_range:
                self.send_header("Content-Range", content_range)
            if remote.dated:
                self.send_header("ETag", f'"{path.stat().st_mtime_ns}"')
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with listening(Handler) as remote.url:
        yield remote
