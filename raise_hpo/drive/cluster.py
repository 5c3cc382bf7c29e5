"""The local Ray: started for one study with a token and a folder of its own, and removed without trace."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from raise_hpo.errors import UserError

SLOT_RESOURCE = "raise_hpo_slot"
"""A resource that every node we start has plenty of; a trial's supervising actor takes a bit of it and no CPU."""

_PREFIX = "rh-"
_OWNER = "owner"
_SLOTS_A_NODE = 10_000
_OBJECT_STORE_BYTES = 200 * 2**20

# A trial is one stretch on a slot and its record is the journal: what Tune would write beside it is never read.
TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_SYNCER": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


class LocalRay:
    """A context in which a private Ray runs on this machine.

    Its folder (mode 0700) holds the session, the token (mode 0600) and what workers cache; it is removed on exit. The
    dashboard is off, so that nothing but Ray's own token-guarded ports is open.

    Args:
        cpus: CPU cores to give out; all of this machine's if None.
        gpus: GPUs to give out; all of this machine's if None.

    Raises:
        UserError: This process is connected to a Ray already.
    """

    folder: Path

    def __init__(self, cpus: int | None = None, gpus: int | None = None) -> None:
        self.cpus = cpus or len(os.sched_getaffinity(0))
        self.gpus = gpus

    @property
    def cache(self) -> Path:
        """A folder for what this node's workers share."""
        return self.folder / "cache"

    def __enter__(self) -> LocalRay:
        if "ray" in sys.modules and sys.modules["ray"].is_initialized():
            raise UserError("this process is connected to a Ray cluster of its own; call ray.shutdown() first")
        sweep_killed()
        # Short, because Ray puts sockets below it, whose paths may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def _start(self) -> None:
        (self.folder / _OWNER).write_text(json.dumps(_process(os.getpid())))
        self.cache.mkdir()
        os.environ.update(TUNE_SETTINGS)
        os.environ.update(_token(self.folder))
        _forget_earlier_token()
        import ray

        options: dict[str, Any] = {} if self.gpus is None else {"num_gpus": self.gpus}
        ray.init(
            address="local",
            num_cpus=self.cpus,
            resources={SLOT_RESOURCE: _SLOTS_A_NODE},
            object_store_memory=_OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=str(self.folder / "ray"),
            **options,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        ray.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)


def _forget_earlier_token() -> None:
    """Make Ray read its settings and token anew: it does so once a process, and this may be the second study in it."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    # In this order: a thread of the last cluster that is still ending may ask for a token in between.
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def sweep_killed() -> None:
    """Remove the folders that killed drivers of this user have left on this machine."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        with contextlib.suppress(OSError, ValueError):
            pid, started = json.loads(owner.read_text())
            if owner.stat().st_uid == os.getuid() and _process(pid) != [pid, started]:
                shutil.rmtree(owner.parent, ignore_errors=True)


def _process(pid: int) -> list[float] | None:
    """What tells a process from a later one with the same number; None if there is none."""
    import psutil

    try:
        return [pid, psutil.Process(pid).create_time()]
    except psutil.NoSuchProcess:
        return None


def _token(folder: Path) -> dict[str, str]:
    """Write a fresh token that nobody else can read; the settings that make Ray use it."""
    path = folder / "token"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


def count_slots(workers: int, cpus: float, gpus: float) -> int:
    """How many trials of so many workers the cluster can run at once, as its nodes are now."""
    import ray

    places = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            fits = [int(has.get("CPU", 0) / cpus + 1e-9)]
            if gpus:
                fits.append(_gpu_places(has.get("GPU", 0), gpus))
            places += min(fits)
    return places // workers


def _gpu_places(available: float, gpus: float) -> int:
    """Ray never spreads a fraction over two GPUs: 0.4 fits twice into each."""
    return int(available) * int(1 / gpus + 1e-9) if gpus < 1 else int(available / gpus + 1e-9)
