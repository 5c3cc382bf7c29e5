"""A study's folder: where each file is, how a study is found by name, and who may write to it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from raise_hpo.errors import UserError, nearest
from raise_hpo.history import History
from raise_hpo.journal import iterate

STUDIES = "studies"


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study."""

    kind: ClassVar[str] = "study"
    path: Path

    @property
    def name(self) -> str:
        """The study's name: its folder's."""
        return self.path.name

    @property
    def journal(self) -> Path:
        """The record of all that happened; everything else here can be made from it, except checkpoints."""
        return self.path / "journal.jsonl"

    @property
    def study_file(self) -> Path:
        """The resolved study file."""
        return self.path / "study.yaml"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def mlflow(self) -> Path:
        """MLflow's database, unless another tracking URI was given."""
        return self.path / "mlflow.db"

    @property
    def checkpoints(self) -> Path:
        """Checkpoints of trials that may go on, and of the best."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The best configuration and its checkpoint."""
        return self.path / "best"

    @property
    def figures(self) -> Path:
        """What the trainable has drawn of the best trial; there only if it draws."""
        return self.best / "figures.json"

    @property
    def figures_page(self) -> Path:
        """The same as a page."""
        return self.best / "figures.html"

    @property
    def logs(self) -> Path:
        """What trials print, and the tracebacks of failed ones."""
        return self.path / "logs"

    @property
    def driver_log(self) -> Path:
        """The tracebacks of what ended a driver on a cluster."""
        return self.logs / "driver.log"

    @property
    def submitted(self) -> Path:
        """How the study was submitted to a cluster; there only if it was."""
        return self.path / "submitted.json"

    @property
    def trainable(self) -> Path:
        """The pickled class of a trainable that a client has defined; there only if it cannot be imported by name."""
        return self.path / "trainable.pkl"

    @property
    def earlier(self) -> Path:
        """The learning curves of earlier studies that this one began from."""
        return self.path / "earlier"

    @property
    def stop_request(self) -> Path:
        """Its presence asks the driver to stop after the running epochs."""
        return self.path / "stop"

    @property
    def hand_back(self) -> Path:
        """Its presence asks slots for a checkpoint after each epoch: some of them are to be handed back."""
        return self.path / "hand-back"

    @property
    def jobs(self) -> Path:
        """Batch jobs that run the study, a folder each; there only if it was submitted to a batch system."""
        return self.path / "jobs"

    @property
    def begun(self) -> bool:
        """Whether a driver has begun the journal."""
        return self.journal.is_file() and self.journal.stat().st_size > 0

    @property
    def is_there(self) -> bool:
        """Whether a driver has begun it, or it was submitted to a batch system."""
        return self.begun or self.jobs.is_dir()

    @property
    def lock(self) -> Path:
        """Held by the driver; says where it runs."""
        return self.path / "driver.lock"

    def history(self) -> History:
        """The study's history as of now; an empty one if it was submitted and not begun yet."""
        if not self.begun and self.jobs.is_dir():
            return History()
        return History(iterate(self.journal))

    def best_model(self, history: History) -> tuple[int, int] | None:
        """Trial and epoch of the model that is kept as the best; None if there is none yet."""
        best = history.best()
        return (best.number, best.checkpoint[0]) if best and best.checkpoint else None

    def log_file(self, trial: int) -> Path:
        """One trial's log."""
        return self.logs / f"trial-{trial:04d}.log"

    def driver(self) -> dict[str, Any] | None:
        """Host, process and batch job of the driver at work, or None if there is none.

        Not to be asked in the driver's own process: closing any descriptor of the file drops a process's POSIX locks.
        """
        try:
            with open(self.lock, "r+") as file:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return None
        except FileNotFoundError:
            return None
        except OSError:
            return dict(json.loads(self.lock.read_text() or "{}"))


class DriverLock:
    """Keeps a second driver away from a study for as long as this process lives, on file systems with POSIX locks.

    Raises:
        UserError: Another driver is at work; host and process are named.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self._file = open(folder.lock, "a+")  # noqa: SIM115 - held open for the driver's life
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise UserError(
                    f"{folder.lock} cannot be locked ({error.strerror}): studies need a file system with POSIX locks; "
                    "set RAISE_HPO_STUDIES to a folder on one"
                ) from error
            self._file.seek(0)
            holder = json.loads(self._file.read() or "{}")
            raise UserError(
                f"{folder.kind} {folder.name} is being run by process {holder.get('pid', '?')} on "
                f"{holder.get('host', '?')}; "
                f"see it with 'raise-hpo status {folder.name}', end it with 'raise-hpo stop {folder.name}'"
            ) from error
        self._file.truncate(0)
        self._file.write(json.dumps(_this_process()))
        self._file.flush()

    def release(self) -> None:
        """Let another driver in."""
        self._file.close()


def _this_process() -> dict[str, Any]:
    """Where this process runs; ``job`` is None outside of a batch job."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}


def studies_root() -> Path:
    """Where studies are kept: ``$RAISE_HPO_STUDIES``, or ``studies`` in the current folder."""
    return Path(os.environ.get("RAISE_HPO_STUDIES", STUDIES))


def all_studies(root: Path | None = None) -> list[StudyFolder]:
    """Every study below the root that was begun or submitted, the most recently changed last."""
    folders = [StudyFolder(path) for path in (root or studies_root()).glob("*")]
    return sorted((folder for folder in folders if folder.is_there), key=_last_change)


def _last_change(folder: StudyFolder) -> float:
    return (folder.journal if folder.begun else folder.jobs).stat().st_mtime


def known_study(reference: str) -> StudyFolder | None:
    """The study of this name or folder below the root; None if there is none."""
    return next((study for study in all_studies() if reference in (study.name, str(study.path))), None)


def find_study(reference: str | None) -> StudyFolder:
    """A study by name or folder; the most recently changed one without a reference.

    Raises:
        UserError: There is no such study, or none at all.
    """
    if reference and ((named := StudyFolder(Path(reference))).journal.is_file() or named.jobs.is_dir()):
        return named
    studies = all_studies()
    if not studies:
        raise UserError(f"no study in {studies_root()}/ yet; start one with 'raise-hpo tune mlpf'")
    if reference is None:
        return studies[-1]
    for study in studies:
        if study.name == reference:
            return study
    raise UserError(
        f"no study '{reference}' in {studies_root()}/: {nearest(reference, [study.name for study in studies])}"
    )


def new_study_folder(name: str, numbered: bool) -> StudyFolder:
    """Make the folder of a new study: ``name`` itself, or the next free of ``name-1``, ``name-2`` and so on.

    Raises:
        UserError: A study of exactly that name exists.
    """
    root = studies_root()
    root.mkdir(parents=True, exist_ok=True)
    number = 1 + max((_number(path.name, name) for path in root.iterdir()), default=0)
    while True:
        path = root / (f"{name}-{number}" if numbered else name)
        try:
            path.mkdir()
        except FileExistsError:
            if not numbered:
                raise UserError(
                    f"study '{name}' exists in {root}/ already; go on with it by "
                    f"'raise-hpo resume {name}', or give another --name"
                ) from None
            number += 1
        else:
            return StudyFolder(path)


def _number(found: str, name: str) -> int:
    match = re.fullmatch(rf"{re.escape(name)}-(\d+)", found)
    return int(match[1]) if match else 0
