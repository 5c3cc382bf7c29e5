"""The Ray that a study runs on: a private one on this machine, or a cluster that is up already."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from raise_hpo.environment import Variables
from raise_hpo.errors import UserError
from raise_hpo.trial.spec import NODE_CACHE

SLOT_RESOURCE = "raise_hpo_slot"
"""A resource that every node we start has plenty of; a trial's supervising actor takes a bit of it and no CPU."""

PREFIX = "rh-"
_OWNER = "owner"
SLOTS_A_NODE = 10_000
_OBJECT_STORE_BYTES = 200 * 2**20
_LOOK_SECONDS = 0.1

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
PENDING_TRIALS = "TUNE_MAX_PENDING_TRIALS_PG"

# Ray would start a worker for each core when a driver connects. A study's actors have workers of their own, so those
# would be idle to the end, after the second of computing that each needs to start.
NO_IDLE_WORKERS = {"RAY_prestart_worker_first_driver": "0"}


class StudyRay(Protocol):
    """A context in which this process is connected to the Ray that runs a study's trials."""

    @property
    def storage(self) -> Path:
        """A folder on this node for what Tune writes."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LocalRay:
    """A context in which a private Ray runs on this machine.

    Its folder (mode 0700) holds the session, the token (mode 0600) and what workers cache; it is removed on exit, and
    the environment variables are put back, so that the process can use a Ray of its own then. The dashboard is off, so
    that nothing but Ray's own token-guarded ports is open.

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
        self._variables = Variables()

    @property
    def storage(self) -> Path:
        """A folder for what Tune writes."""
        return self.folder / "tune"

    def __enter__(self) -> LocalRay:
        if "ray" in sys.modules and sys.modules["ray"].is_initialized():
            raise UserError("this process is connected to a Ray cluster of its own; call ray.shutdown() first")
        sweep_killed()
        # Short, because Ray puts sockets below it, whose paths may have 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            self._start()
        except BaseException:
            self._leave()
            raise
        return self

    def _start(self) -> None:
        mark_owner(self.folder)
        cache = self.folder / "cache"
        cache.mkdir()
        self._variables.remember(PENDING_TRIALS)
        self._variables.set(TUNE_SETTINGS | NO_IDLE_WORKERS | {NODE_CACHE: str(cache)} | fresh_token(self.folder))
        forget_earlier_token()
        import ray

        options: dict[str, Any] = {} if self.gpus is None else {"num_gpus": self.gpus}
        ray.init(
            address="local",
            num_cpus=self.cpus,
            resources={SLOT_RESOURCE: SLOTS_A_NODE},
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
        self._leave()

    def _leave(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._variables.restore()
        forget_earlier_token()


class AttachedRay:
    """A context in which this process is connected to a cluster that others have started, and will stop.

    Its token is found as Ray finds it, by ``RAY_AUTH_MODE`` and ``RAY_AUTH_TOKEN_PATH``.

    Args:
        address: The head's ``HOST:PORT``; None if this process is connected already, as an actor is.
        place: Where on this node to put what Tune writes; the system's temporary folder if None.

    Raises:
        UserError: The cluster does not answer or refuses the token.
    """

    storage: Path

    def __init__(self, address: str | None = None, place: Path | None = None) -> None:
        self.address = address
        self.place = place
        self._variables = Variables()

    def __enter__(self) -> AttachedRay:
        sweep_killed()
        self.storage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.place))
        mark_owner(self.storage)
        self._variables.remember(PENDING_TRIALS)
        self._variables.set(TUNE_SETTINGS)
        try:
            self._connect()
        except BaseException:
            self._leave()
            raise
        return self

    def _connect(self) -> None:
        if self.address is None:
            return
        import ray

        forget_earlier_token()
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ray.exceptions.RayError) as error:
            raise UserError(f"the Ray cluster at {self.address} cannot be used ({error})") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.address is not None:
            import ray

            ray.shutdown()
        self._leave()

    def _leave(self) -> None:
        shutil.rmtree(self.storage, ignore_errors=True)
        self._variables.restore()


def ray_at_hand() -> StudyRay:
    """The cluster that ``RAY_ADDRESS`` names, as inside a batch job of ours, or else a private Ray on this machine."""
    address = os.environ.get("RAY_ADDRESS")
    return AttachedRay(address) if address else LocalRay()


def forget_earlier_token() -> None:
    """Make Ray read its settings and token anew: it does so once a process, and this may be the second study in it."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    # In this order: a thread of the last cluster that is still ending may ask for a token in between.
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def mark_owner(folder: Path) -> None:
    """Note in a folder that it is of use only as long as this process lives."""
    (folder / _OWNER).write_text(json.dumps(_process(os.getpid())))


def sweep_killed(place: Path | None = None) -> None:
    """Remove the folders that killed processes of this user have left in a place, the system's temporary folder."""
    for owner in (place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*/{_OWNER}"):
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


def fresh_token(folder: Path) -> dict[str, str]:
    """Write a token that nobody else can read into a folder, as ``token``; the settings that make Ray use it."""
    path = folder / "token"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}


@dataclass(frozen=True)
class Capacity:
    """How many trials, as they start, and how many workers a cluster can run at once, and the names of its nodes."""

    slots: int
    nodes: tuple[str, ...]
    places: int


def find_capacity(workers: int, cpus: float, gpus: float) -> Capacity:
    """What the connected cluster can run of trials that start with so many workers, as its nodes are now."""
    import ray

    places = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            fits = [int(has.get("CPU", 0) / cpus + 1e-9)]
            if gpus:
                fits.append(_gpu_places(has.get("GPU", 0), gpus))
            places += min(fits)
    return Capacity(places // workers, alive_nodes(), places)


def wait_for_nodes(names: Iterable[str], seconds: float) -> list[str]:
    """Wait until nodes of these names have joined the connected cluster; those that have not in time."""
    deadline = time.monotonic() + seconds
    while (missing := sorted({*names} - {*alive_nodes()})) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return missing


def alive_nodes() -> tuple[str, ...]:
    """The names of the connected cluster's nodes, in alphabetical order."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    return tuple(sorted({_name(node) for node in alive}))


def _name(node: Mapping[str, Any]) -> str:
    """The name that a node was given, or its host's; Ray fills in the address where none was given."""
    given = str(node.get("NodeName") or "")
    return given if given and given != node["NodeManagerAddress"] else str(node["NodeManagerHostname"])


def _gpu_places(available: float, gpus: float) -> int:
    """Ray never spreads a fraction over two GPUs: 0.4 fits twice into each."""
    return int(available) * int(1 / gpus + 1e-9) if gpus < 1 else int(available / gpus + 1e-9)
