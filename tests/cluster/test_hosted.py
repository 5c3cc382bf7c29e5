"""Which studies a job's cluster hosts beside its own, by the locks that real processes hold."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from raise_hpo.cluster import hosted as module
from raise_hpo.cluster.hosted import hosted, wait_for_hosted
from raise_hpo.cluster.job import RunFiles, Setting
from raise_hpo.folder import DriverLock, StudyFolder

_DRIVER = """
import sys
from pathlib import Path
from raise_hpo.folder import DriverLock, StudyFolder
lock = DriverLock(StudyFolder(Path(sys.argv[1])))
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(module, "_RESTART_SECONDS", 0.3)


def study(studies: Path, name: str) -> StudyFolder:
    folder = StudyFolder(studies / name)
    folder.path.mkdir(parents=True)
    folder.journal.write_text("begun")
    return folder


@contextmanager
def driven(folder: StudyFolder, job: str) -> Iterator[Callable[[], None]]:
    """A process of a job holds the study's lock; what is given ends it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, folder.path], env={**os.environ, "SLURM_JOB_ID": job}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "locked\n"
    try:
        yield lambda: process.communicate()[0]
    finally:
        process.communicate()


@pytest.fixture
def setting(studies: Path) -> Setting:
    own = study(studies, "own")
    return Setting(study=own, run=RunFiles(own.path), job="7")


def test_those_of_the_job_and_not_its_own(studies: Path, setting: Setting) -> None:
    guest, elsewhere = study(studies, "guest"), study(studies, "elsewhere")
    study(studies, "over")
    lock = DriverLock(setting.study)
    with driven(guest, "7"), driven(elsewhere, "8"):
        assert [found.name for found in hosted(setting)] == ["guest"]
    assert hosted(setting) == []
    lock.release()


def test_the_job_goes_on_until_they_are_over(
    studies: Path, setting: Setting, capsys: pytest.CaptureFixture[str]
) -> None:
    guest = study(studies, "guest")
    with driven(guest, "7") as end:
        waiting = threading.Thread(target=wait_for_hosted, args=(setting, lambda: False))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        end()
        waiting.join(10)
        assert not waiting.is_alive()
    assert not guest.stop_request.exists()
    assert "study own is over; the job goes on for guest" in capsys.readouterr().out


def test_they_stop_when_the_job_is_about_to_end(studies: Path, setting: Setting) -> None:
    guest = study(studies, "guest")
    about_to_end = threading.Event()
    with driven(guest, "7") as end:
        waiting = threading.Thread(target=wait_for_hosted, args=(setting, about_to_end.is_set))
        waiting.start()
        about_to_end.set()
        while not guest.stop_request.exists():
            waiting.join(0.01)
        assert waiting.is_alive(), "left before the study had stopped"
        end()
        waiting.join(10)
        assert not waiting.is_alive()


def test_without_any_nobody_waits(setting: Setting) -> None:
    wait_for_hosted(setting, lambda: False)
