"""MLflow, written from the journal by a process of its own, so that no decision ever waits for it.

The journal is all that process reads; what MLflow has of it is remembered in ``mlflow.cursor``. An outage therefore
delays and never loses: ``python -m raise_hpo.track FOLDER`` sends what is missing, whenever.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from raise_hpo.folder import StudyFolder
from raise_hpo.track.cursor import Cursor

__all__ = ["Tracker", "missing_events", "tracking_uri"]


def tracking_uri(folder: StudyFolder, chosen: str | None) -> str:
    """The tracking URI that a study chose, or else the SQLite file in its folder."""
    return chosen or f"sqlite:///{folder.mlflow.resolve()}"


def missing_events(folder: StudyFolder, last_seq: int) -> int:
    """How many events of a journal that ends with `last_seq` are not in MLflow yet."""
    return max(0, last_seq - Cursor.load(folder).seq)


class Tracker:
    """The driver's handle on the process that writes to MLflow.

    The process lives in a session of its own, so that Ctrl-C on the terminal does not cut it short, and ends when its
    standard input does: that is closed by `finish`, or by the system when the driver dies.

    Args:
        folder: The study's folder.
        uri: The tracking URI; the SQLite file in the study's folder if None.
    """

    def __init__(self, folder: StudyFolder, uri: str | None = None) -> None:
        self.folder = folder
        self.uri = tracking_uri(folder, uri)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; a study runs on if that fails, and can be sent to MLflow later."""
        self.folder.logs.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "raise_hpo.track", str(self.folder.path), "--uri", self.uri, "--follow"]
        with open(self.folder.logs / "mlflow.log", "ab") as log, suppress(OSError):
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def finish(self, timeout: float) -> bool:
        """Let the process send the rest of the journal and end; True if MLflow has all of it.

        Args:
            timeout: Seconds to wait; the process is ended then, and what is missing can be sent later.
        """
        if self.process is None:
            return False
        assert self.process.stdin is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            return self.process.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return False
