"""A web server that serves a folder the way repositories do, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has, and how it behaves.

    Attributes:
        files: Content by path.
        url: Its address, once it runs.
        ranges: Whether it can begin in the middle.
        breaks_after: Bytes after which it drops the connection, one a request; it behaves when the list is empty.
        asked: Path and Range header of each request.
    """

    files: dict[str, bytes]
    url: str = ""
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def record(self, path: str, names: dict[str, str]) -> str:
        """Put up a record that lists files, by their names, and where they are; its URL."""
        listed = [
            {
                "key": name,
                "size": len(self.files[place]),
                "checksum": f"md5:{hashlib.md5(self.files[place]).hexdigest()}",
                "links": {"self": f"{self.url}{place}"},
            }
            for name, place in names.items()
        ]
        self.files[path] = json.dumps({"files": listed}).encode()
        return self.url + path


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server of such a handler on a port of its own; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def serving(**behaviour: object) -> Iterator[Site]:
    """Run a server on a port of its own."""
    site = Site(**behaviour)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.asked.append((self.path, asked))
            body = site.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            begin = int(asked.removeprefix("bytes=").split("-")[0]) if asked and site.ranges else 0
            self.send_response(206 if asked and site.ranges else 200)
            if asked and site.ranges:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - begin))
            self.end_headers()
            end = begin + site.breaks_after.pop(0) if site.breaks_after else len(body)
            self.wfile.write(body[begin:end])

        def log_message(self, *args: object) -> None:
            pass

    with listening(Handler) as site.url:
        yield site
