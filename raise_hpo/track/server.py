"""MLflow's server for one study, on the loopback interface, ended with all its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType

from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder
from raise_hpo.track import tracking_uri
from raise_hpo.track.store import SETTINGS, artifact_root

HOST = "127.0.0.1"
_UP_SECONDS = 120.0
_DOWN_SECONDS = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def tracked_at(folder: StudyFolder) -> str:
    """Where a study is tracked.

    Raises:
        UserError: Nothing has been written there yet.
    """
    uri = tracking_uri(folder, folder.history().study.get("tracking", {}).get("mlflow"))
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise UserError(
            f"study {folder.name} is not in MLflow yet ({uri} is missing): "
            f"send it with 'python -m raise_hpo.track {folder.path}'"
        )
    return uri


class MlflowServer:
    """A context in which MLflow's server runs for a study.

    It is started in a process group of its own and ended as a group: at the end of the context, and also when this
    process gets SIGTERM or loses its terminal.

    Args:
        folder: The study's folder; the server's output goes to its ``logs/mlflow-ui.log``.
        uri: The tracking store.
        port: The port; a free one if 0.

    Raises:
        UserError: The port is taken, or the server does not come up.
    """

    def __init__(self, folder: StudyFolder, uri: str, port: int = 0) -> None:
        self.folder = folder
        self.uri = uri
        self.port = free_port(port)
        self.log = folder.logs / "mlflow-ui.log"
        self._handlers: dict[int, Callable[[int, FrameType | None], None] | int | None] = {}

    @property
    def address(self) -> str:
        """The server's root."""
        return f"http://{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """The page of the study's experiment, or the server's root if that cannot be found out."""
        name = self.folder.history().study.get("name", self.folder.name)
        request = urllib.request.Request(
            f"{self.address}/api/2.0/mlflow/experiments/get-by-name?experiment_name={name}"
        )
        with suppress(OSError, ValueError, KeyError), urllib.request.urlopen(request, timeout=10) as answer:
            number = json.load(answer)["experiment"]["experiment_id"]
            # Without the run list's own address, MLflow opens a page about language-model traces.
            return f"{self.address}/#/experiments/{number}/runs?workflowType=machine_learning"
        return self.address

    def __enter__(self) -> MlflowServer:
        self._start()
        for number in _SIGNALS:
            self._handlers[number] = signal.signal(number, _interrupt)
        try:
            self._wait_until_up()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def wait(self) -> None:
        """Wait until the server ends or somebody interrupts.

        Raises:
            UserError: The server ended by itself.
        """
        with suppress(KeyboardInterrupt):
            self.process.wait()
            raise UserError(f"MLflow's server ended by itself; {self.log} says why")

    def _start(self) -> None:
        self.folder.logs.mkdir(exist_ok=True)
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", self.uri, "--default-artifact-root", artifact_root(self.folder, self.uri).as_uri(),
        ]  # fmt: skip
        environment = {**os.environ, **SETTINGS, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _UP_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise UserError(f"MLflow's server did not start; {self.log} says why")
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=2):
                return
            time.sleep(0.2)
        raise UserError(f"MLflow's server did not answer within {_UP_SECONDS:.0f} s; {self.log} says why")

    def _end(self) -> None:
        """End the whole process group, by force if it does not go within some seconds."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_DOWN_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()


def free_port(wanted: int) -> int:
    """The wanted port, or any free one if 0.

    Raises:
        UserError: The wanted port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise UserError(f"--port {wanted} cannot be used on {HOST} ({why}); 0 takes a free one") from error
        return int(probe.getsockname()[1])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
