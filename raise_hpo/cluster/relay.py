"""A port on this host that leads to one on the loopback of a job's node, through Slurm alone: no ssh, no open port.

Each connection is carried by a step of the job, ``python -m raise_hpo.cluster.relay PORT`` run by srun, over its
standard input and output.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

_CHUNK = 2**16


class Relay:
    """Carries connections to `port` here on to a job's node, until `close`.

    Args:
        job: The job's number.
        node: The node's name.
        port: The port on that node's loopback.
    """

    def __init__(self, job: str, node: str, port: int) -> None:
        step = ["srun", f"--jobid={job}", f"--nodelist={node}", "--nodes=1", "--ntasks=1", "--cpus-per-task=1"]
        step += ["--overlap", "--mem=0", "--mpi=none", "--cpu-bind=none", "--unbuffered", "--quiet"]
        self._command = [*step, sys.executable, "-m", "raise_hpo.cluster.relay", str(port)]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._steps: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port on this host's loopback."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        for step in self._steps:
            step.terminate()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._carry(connection)

    def _carry(self, connection: socket.socket) -> None:
        step = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert step.stdin is not None and step.stdout is not None
        self._steps.append(step)
        out, back = step.stdin, step.stdout.fileno()

        def write_out(raw: bytes) -> None:
            out.write(raw)
            out.flush()

        _start_pump(lambda: connection.recv(_CHUNK), write_out, out.close)
        _start_pump(lambda: os.read(back, _CHUNK), connection.sendall, connection.close)


def _start_pump(read: Callable[[], bytes], write: Callable[[bytes], None], end: Callable[[], None]) -> threading.Thread:
    """Hand on what is read until there is no more, in a thread; then end the other side."""

    def pump() -> None:
        with contextlib.suppress(OSError, ValueError):
            while raw := read():
                write(raw)
        with contextlib.suppress(OSError):
            end()

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    return thread


def main() -> None:
    """On the node: connect standard input and output with a port of the loopback."""
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        _start_pump(lambda: os.read(0, _CHUNK), connection.sendall, lambda: connection.shutdown(socket.SHUT_WR))
        _start_pump(lambda: connection.recv(_CHUNK), _write_all, lambda: None).join()


def _write_all(raw: bytes) -> None:
    while raw:
        raw = raw[os.write(1, raw) :]


if __name__ == "__main__":
    main()
