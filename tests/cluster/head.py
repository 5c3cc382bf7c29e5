"""A real Ray cluster of one node, with a token, as a batch job starts one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil

from raise_hpo.drive.cluster import NO_IDLE_WORKERS

ROOT = Path(__file__).resolve().parent.parent.parent


def free_port() -> int:
    """A port that nobody uses, below those that the system gives out to connections."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.randrange(20_000, 32_000)
            probe.bind(("127.0.0.1", port))
            return port


def _title(process: psutil.Process) -> str:
    try:
        return str((process.cmdline() or [""])[0])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


class Head:
    """A context in which the cluster runs; its processes are ended by handle."""

    def __init__(self, cpus: int, studies: Path) -> None:
        self.cpus = cpus
        self.studies = studies
        # Short, because Ray puts sockets below it.
        self.folder = Path(tempfile.mkdtemp(prefix="rc", dir="/tmp"))
        self.token = self.folder / "token"
        self.token.touch(0o600)
        self.token.write_text(secrets.token_hex(32))
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"ray://127.0.0.1:{self.port}"

    def __enter__(self) -> Head:
        environment = {
            **os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token), "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT), "RAISE_HPO_STUDIES": str(self.studies), "GRPC_ENABLE_FORK_SUPPORT": "false",
            "AUTOSCALER_METRIC_PORT": "0", "DASHBOARD_METRIC_PORT": "0", **NO_IDLE_WORKERS,
        }  # fmt: skip
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats",
            "--node-ip-address=127.0.0.1", "--port=0", f"--ray-client-server-port={self.port}",
            "--include-dashboard=false", "--dashboard-agent-listen-port=0", "--min-worker-port=0",
            "--max-worker-port=0", f"--num-cpus={self.cpus}", "--num-gpus=0", "--object-store-memory=200000000",
            f"--resources={json.dumps({'raise_hpo_slot': 10_000})}", f"--temp-dir={self.folder / 'r'}",
        ]  # fmt: skip
        self._log = open(self.folder / "log", "w")
        self._process = psutil.Popen(command, env=environment, stdout=self._log, stderr=subprocess.STDOUT)
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def actors(self, kind: str) -> list[psutil.Process]:
        """The processes of the actors of a class."""
        return [child for child in self._process.children(recursive=True) if _title(child) == f"ray::{kind}"]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes = [self._process, *self._process.children(recursive=True)]
        for process in processes:
            if process.is_running():
                process.kill()
        psutil.wait_procs(processes, timeout=10)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
