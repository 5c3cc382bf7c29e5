"""The host: the one actor on a cluster that knows its studies, starts their drivers and shares out the slots.

It is named, detached from whoever started it, and started again by Ray when it dies. Whatever it answers is plain data,
so that a client needs no more of a journal than its bytes; all that must not be lost is in the studies' folders.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raise_hpo.cluster.shares import Shares
from raise_hpo.cluster.study_actor import NAMESPACE, StudyActor, Submitted
from raise_hpo.errors import UserError
from raise_hpo.folder import StudyFolder, all_studies, find_study, studies_root
from raise_hpo.study import StudySpec

HOST = "_host"
"""The host's name; no study can have it, as theirs begin with a letter or a digit."""

_CHUNK = 4 * 2**20
_PATIENCE = 3.0
_RESTARTS = 100
_TIDY_SECONDS = 150.0


def find_host(root: str | None = None) -> Any:
    """The host's handle on the cluster that this process is connected to; started if there is none.

    Args:
        root: Where a new host keeps studies; ``$RAISE_HPO_STUDIES`` of the cluster's nodes, else ``studies`` in the
            folder in which the cluster was started, if None.
    """
    import ray

    options = {
        "name": HOST, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True, "num_cpus": 0,
        "max_restarts": -1, "max_task_retries": -1, "max_concurrency": 32,
    }  # fmt: skip
    return ray.remote(Host).options(**options).remote(root)


def _answered(method: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Answer ``{"value": ...}``, or ``{"error": sentence}`` where the user is to mend something."""

    @functools.wraps(method)
    def answer(*args: Any, **more: Any) -> dict[str, Any]:
        try:
            return {"value": method(*args, **more)}
        except UserError as error:
            return {"error": str(error)}

    return answer


def _wait_until(true: Callable[[], bool]) -> None:
    """Wait for what a driver does last: its report, and what MLflow has not got yet."""
    until = time.monotonic() + _TIDY_SECONDS
    while not true() and time.monotonic() < until:
        time.sleep(0.5)


class Host:
    """What a cluster's sessions and drivers talk to; an actor's class, see `find_host`.

    Args:
        root: Where studies are kept.
    """

    def __init__(self, root: str | None) -> None:
        import ray

        self.root = Path(root or studies_root()).absolute()
        self.root.mkdir(parents=True, exist_ok=True)
        # All that finds a study by its name looks there.
        os.environ["RAISE_HPO_STUDIES"] = str(self.root)
        restarted = ray.get_runtime_context().was_current_actor_reconstructed
        self.shares = Shares(time.monotonic, _PATIENCE if restarted else 0.0)

    def hello(self) -> dict[str, Any]:
        """Versions, and where studies are kept."""
        return {"raise-hpo": version("raise-hpo"), "python": platform.python_version(), "root": str(self.root)}

    # Studies

    @_answered
    def submit(
        self, study: Mapping[str, Any], name: str | None, priority: float, slots: int | None, trainable: bytes | None
    ) -> str:
        """Set a study up and start its driver; the study's name, once its first event is journaled.

        Args:
            study: The resolved study.
            name: Its name; numbered after the study's own if None.
            priority: Its share of the cluster against others, above 0.
            slots: Trials at a time, at most.
            trainable: The trainable's class, pickled, if it is not to be imported here by its name.

        Raises:
            UserError: Anything that can be told before training.
        """
        from raise_hpo.session import set_up

        folder, _ = set_up(StudySpec.model_validate(study), name)
        Submitted(priority, slots).write(folder, trainable)
        return self._start(folder)

    @_answered
    def can_import(self, trainable: str) -> bool:
        """Whether the cluster has the module of a trainable that is given as ``package.module:Class``."""
        home, colon, _ = trainable.rpartition(":")
        try:
            return not colon or importlib.util.find_spec(home) is not None
        except (ImportError, ValueError):
            return False

    @_answered
    def resume(self, name: str) -> str:
        """Go on with a study that was stopped or interrupted.

        Raises:
            UserError: It runs, is finished, or cannot be taken up.
        """
        folder = self._folder(name)
        if folder.begun and folder.history().state != "running":
            _wait_until(lambda: not self._at_work(folder))
        if self._at_work(folder):
            raise UserError(f"study {name} is running")
        return self._start(folder)

    def _start(self, folder: StudyFolder) -> str:
        import ray

        options = {
            "name": folder.name, "namespace": NAMESPACE, "lifetime": "detached", "num_cpus": 0,
            "max_restarts": _RESTARTS, "max_task_retries": -1, "max_concurrency": 4,
        }  # fmt: skip
        actor: Any = ray.remote(StudyActor).options(**options).remote(str(folder.path))
        try:
            refused = ray.get(actor.begun.remote())
        except ray.exceptions.RayActorError as error:
            raise UserError(f"the driver of study {folder.name} did not start ({error})") from error
        if refused:
            ray.kill(actor)
            raise UserError(refused)
        return folder.name

    @_answered
    def studies(self) -> list[str]:
        """The names of all studies, the most recently changed last."""
        return [folder.name for folder in all_studies()]

    @_answered
    def journal(self, name: str, offset: int) -> tuple[bytes, bool]:
        """Some of a journal from a byte on, and whether a driver is at work.

        Raises:
            UserError: There is no such study.
        """
        folder = self._folder(name)
        # Asked first: what a driver writes before it ends is then read below.
        at_work = self._at_work(folder)
        with open(folder.journal, "rb") as file:
            file.seek(offset)
            return file.read(_CHUNK), at_work

    @_answered
    def places(self, name: str, mlflow: str | None, last_seq: int) -> dict[str, Any]:
        """Where the study's files are on the cluster's file system, as in its summary."""
        from raise_hpo.report.summary import places

        return places(self._folder(name), mlflow, last_seq)

    @_answered
    def log(self, name: str, trial: int | None) -> str:
        """What a trial has printed, or, without a trial, the driver's own log."""
        folder = self._folder(name)
        file = folder.driver_log if trial is None else folder.log_file(trial)
        return file.read_text(errors="replace") if file.is_file() else ""

    @_answered
    def stop(self, name: str) -> None:
        """Have a study stop after the epochs that are running.

        Raises:
            UserError: There is no such study, or it is not running.
        """
        folder = self._folder(name)
        if not self._at_work(folder) or folder.history().state != "running":
            raise UserError(f"study {name} is not running")
        folder.stop_request.touch()

    def _folder(self, name: str) -> StudyFolder:
        return find_study(str(self.root / name) if (self.root / name).is_dir() else name)

    @staticmethod
    def _at_work(folder: StudyFolder) -> bool:
        """Whether the study's driver is there, or on its way back, or another driver than ours holds the lock."""
        import ray

        try:
            ray.get_actor(folder.name, NAMESPACE)
        except ValueError:
            return folder.driver() is not None
        return True

    # Slots

    def ask(self, study: str, priority: float, fits: int, wanted: int) -> int | None:
        """How many slots a study may use now; see `Shares.ask`."""
        return self.shares.ask(study, priority, fits, wanted)

    def forget(self, study: str) -> None:
        """A study has ended, and others may use its slots."""
        self.shares.forget(study)
